//! `trefoil load` against a real server.

use std::fs;

use serde_json::Value;

use crate::process::{Trefoil, run, written};

const SECRET: &str = "north-north-north-north-north-north";

fn server() -> Trefoil {
    let text = format!(
        "[server]\nkeys = [{{ key = \"app\", secret = \"{SECRET}\" }}]\n[media]\nlisten = [\"127.0.0.1:0\"]\nstart_bits_per_second = 5000000\n"
    );
    Trefoil::start(&["--config", &written(&text)])
}

fn load(trefoil: &Trefoil, arguments: &str) -> (Option<i32>, String, String) {
    let url = format!("http://{}", trefoil.http);
    let mut words = vec!["load", "--url", &url];
    words.extend(arguments.split_whitespace());
    run(&words)
}

#[test]
fn what_two_publish_four_receive_and_the_report_says_so() {
    let trefoil = server();
    let (report, plot) = (written(""), written(""));
    let (code, printed, error) = load(
        &trefoil,
        &format!(
            "--key app --secret {SECRET} --publishers 2 --subscribers 4 --audio --video-kbps 500 --warm-up 1 --seconds 3 \
             --pid {} --report {report} --plot {plot}",
            trefoil.pid()
        ),
    );
    assert_eq!(code, Some(0), "{printed}{error}");
    assert!(error.contains("   3 s  in "), "a line each second: {error}");
    let found: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let number = |name: &str| {
        let field = name.split('.').fold(&found, |value, name| &value[name]);
        field.as_f64().unwrap_or_else(|| panic!("{name}: {found}"))
    };
    // 50 of sound and 52 of video.
    let published = 2.0 * 3.0 * (50.0 + 52.0);
    assert!(
        (0.7..1.1).contains(&(number("sent_packets") / published)),
        "{found}"
    );
    assert!(number("delivered") > 0.97, "{found}");
    assert!(
        number("loss") < 0.001 && number("refused_packets") < 1.0,
        "{found}"
    );
    assert!(
        number("delay_ms.p50") > 0.0 && number("delay_ms.p50") <= number("delay_ms.p99"),
        "{found}"
    );
    assert!(
        number("server.cpu_us_per_packet") > 0.0 && number("server.join_cpu_us") > 0.0,
        "{found}"
    );
    assert!((number("publishers_connected") + number("subscribers_connected") - 6.0).abs() < 1e-9);
    assert_eq!(found["each_second"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(plot).unwrap().ends_with("</svg>\n"));
}

#[test]
fn what_subscribers_drop_is_repaired() {
    let trefoil = server();
    let report = written("");
    let (code, printed, error) = load(
        &trefoil,
        &format!(
            "--key app --secret {SECRET} --subscribers 2 --loss 10 --warm-up 1 --seconds 2 --report {report}"
        ),
    );
    assert_eq!(code, Some(0), "{printed}{error}");
    let found: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert!(found["recovered_packets"].as_u64().unwrap() > 10, "{found}");
    assert!(found["loss"].as_f64().unwrap() < 0.01, "{found}");
    assert!(found["server"].is_null(), "no --pid, no server: {found}");
}

#[test]
fn what_stands_in_the_way_is_named_with_what_to_do() {
    let trefoil = server();
    let wrong = "wrong-wrong-wrong-wrong-wrong-wrong";
    for (arguments, word) in [
        ("", "--key"),
        (&*format!("--key app --secret {wrong}"), "unauthorized"),
        ("--janus http://127.0.0.1:1/janus", "is the server running"),
        ("--publishers 0", "--publishers"),
    ] {
        let url = format!("http://{}", trefoil.http);
        let mut words = vec!["load"];
        if !arguments.contains("--janus") {
            words.extend(["--url", &url]);
        }
        words.extend(arguments.split_whitespace());
        let (code, _, error) = run(&words);
        assert_ne!(code, Some(0), "{arguments}");
        assert!(error.contains(word), "{arguments}: {error}");
    }
}
