//! How many connections each address has open.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts connections by address; an IPv6 address counts with its whole /64 network.
#[derive(Default)]
pub(crate) struct Addresses {
    open: Mutex<HashMap<IpAddr, u32>>,
}

/// One counted connection; it is no longer counted once this is dropped.
pub(crate) struct Permit {
    addresses: Arc<Addresses>,
    network: IpAddr,
}

impl Addresses {
    /// Counts a connection from `address`; answers how many that makes.
    pub(crate) fn count(self: &Arc<Self>, address: IpAddr) -> (Permit, u32) {
        let network = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        *count += 1;
        (
            Permit {
                addresses: self.clone(),
                network,
            },
            *count,
        )
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_a_closed_connection_no_more() {
        let addresses = Arc::new(Addresses::default());
        let count = |text: &str| addresses.count(text.parse().unwrap());
        let (first, one) = count("2001:db8::1");
        let (_second, two) = count("2001:db8::2:3");
        let (_other, other) = count("2001:db8:0:1::1");
        let (_mapped, mapped) = count("::ffff:192.0.2.1");
        let (_plain, plain) = count("192.0.2.1");
        assert_eq!([one, two, other, mapped, plain], [1, 2, 1, 1, 2]);
        drop(first);
        assert_eq!(count("2001:db8::9").1, 2);
    }

    #[test]
    fn an_address_without_connections_takes_no_memory() {
        let addresses = Arc::new(Addresses::default());
        drop(addresses.count("192.0.2.1".parse().unwrap()));
        assert!(addresses.open.lock().unwrap().is_empty());
    }
}
