//! Join tokens, TURN credentials and what each role may do.

mod access_token;
mod role;
mod secret;
mod token;
mod turn_credentials;

pub use access_token::{AccessToken, NoTokenKey, TokenKey, Unreadable};
pub use role::{Permission, Permissions, Role};
pub use secret::{Secret, same_secret};
pub use token::{ApiKey, Claims, LEEWAY_SECONDS, TOKEN_BYTES_LIMIT, Unauthorized, sign, verify};
pub use turn_credentials::{turn_expiry, turn_password, turn_username};
