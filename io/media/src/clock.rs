//! Wall-clock time for sender reports.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds between 1900 and 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// The time as NTP counts it: 32.32 fixed point seconds since 1900.
pub(crate) fn ntp() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + NTP_EPOCH) << 32 | fraction
}
