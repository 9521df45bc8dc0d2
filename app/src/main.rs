//! The binary `trefoil`: one command that starts every server, and a few that help to run it.

mod arguments;
mod banner;
mod check;
mod config;
#[cfg(test)]
mod config_page;
mod doctor;
mod front;
mod ice;
mod load;
mod logging;
mod serve;
mod token;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    die_of_panics();
    let Arguments { command, serve } = Arguments::parse();
    let done = match command.unwrap_or(Command::Serve(serve)) {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trefoil: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A panic anywhere ends the process, as if it aborted; only the WebRTC engine may panic for one transport alone.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if !trefoil_net::is_guarded() {
            std::process::abort();
        }
    }));
}
