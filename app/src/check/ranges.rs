//! coturn's address ranges as networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `a`, `a/prefix` or `a-b` as the fewest networks that hold just these addresses.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn networks_of(range: &str) -> Result<Vec<String>, String> {
    let wrong = || "it is not an address, a network or a range of addresses".to_owned();
    if let Some((first, last)) = range.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (
            first.trim().parse().map_err(|_| wrong())?,
            last.trim().parse().map_err(|_| wrong())?,
        );
        return match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => Ok(cut(u32::from(a).into(), u32::from(b).into(), 32)),
            (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => Ok(cut(a.into(), b.into(), 128)),
            _ => Err("its ends are of two families, or the wrong way round".to_owned()),
        };
    }
    let (ip, prefix) = range
        .split_once('/')
        .map_or((range, None), |(ip, prefix)| (ip, Some(prefix)));
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    let whole: u8 = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(whole), str::parse).map_err(|_| wrong())?;
    if prefix > whole {
        Err(wrong())
    } else {
        Ok(vec![format!("{ip}/{prefix}")])
    }
}

/// From `first` to `last`, both included, as aligned blocks of powers of two.
fn cut(mut first: u128, last: u128, width: u32) -> Vec<String> {
    let mut networks = Vec::new();
    loop {
        let aligned = first.trailing_zeros().min(width);
        let fits = (0..=aligned)
            .rev()
            .find(|size| block_end(first, *size) <= last)
            .unwrap_or(0);
        networks.push(format!("{}/{}", shown(first, width), width - fits));
        match block_end(first, fits).checked_add(1) {
            Some(next) if next <= last => first = next,
            _ => return networks,
        }
    }
}

fn block_end(first: u128, size: u32) -> u128 {
    first | 1u128.checked_shl(size).map_or(u128::MAX, |block| block - 1)
}

fn shown(address: u128, width: u32) -> IpAddr {
    match u32::try_from(address) {
        Ok(small) if width == 32 => Ipv4Addr::from(small).into(),
        _ => Ipv6Addr::from(address).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, expected: &[&str]) {
        assert_eq!(networks_of(range).unwrap(), expected, "{range}");
    }

    #[test]
    fn a_range_becomes_the_fewest_networks() {
        check("10.0.0.0-10.255.255.255", &["10.0.0.0/8"]);
        check(
            "192.168.1.3 - 192.168.1.8",
            &["192.168.1.3/32", "192.168.1.4/30", "192.168.1.8/32"],
        );
        check("0.0.0.0-255.255.255.255", &["0.0.0.0/0"]);
        check("fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["fc00::/7"]);
        check("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["::/0"]);
        check("203.0.113.9", &["203.0.113.9/32"]);
        check("203.0.113.0/24", &["203.0.113.0/24"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for range in [
            "",
            "x",
            "10.0.0.2-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.0/33",
            "10.0.0.0/-1",
        ] {
            assert!(networks_of(range).is_err(), "{range}");
        }
    }
}
