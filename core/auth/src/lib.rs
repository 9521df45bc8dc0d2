//! Join tokens, TURN credentials and what each role may do.

mod turn_credentials;

pub use turn_credentials::{turn_expiry, turn_password, turn_username};
