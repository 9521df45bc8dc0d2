//! A client that an authorisation server has let in, at a running relay.

use std::time::{SystemTime, UNIX_EPOCH};

use trefoil_auth::{AccessToken, TokenKey};
use trefoil_relay::{Relay, RelayConfig, RelayThirdParty, Secret};
use trefoil_stun::{AttributeType, Method};
use trefoil_testkit::TurnClient;

use crate::wire::{Framed, tcp_to, udp_to};
use crate::{ask, config, echo_through};

const SERVER: &str = "relay.example.org";
const SHARED: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[test]
fn the_bearer_of_an_access_token_is_served_for_as_long_as_it_is_good() {
    let relay = Relay::start(RelayConfig {
        third_party: Some(RelayThirdParty {
            server_name: SERVER.to_owned(),
            keys: [("north".to_owned(), Secret::new(SHARED))].into(),
        }),
        ..config()
    })
    .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |lifetime_seconds| {
        let token = AccessToken {
            mac_key: vec![7; 32],
            made_seconds: now,
            lifetime_seconds,
        };
        let key = TokenKey::parse(SHARED).unwrap();
        Some((token.seal(&key, SERVER, [3; 12]).unwrap(), token.mac_key))
    };
    let bearer = |lifetime_seconds| {
        let mut client = TurnClient::new("north", "");
        client.bearer = token(lifetime_seconds);
        client
    };
    let address = relay.listening()[0];
    echo_through(&mut udp_to(address), &mut bearer(300), 1);
    let mut wire = Framed(tcp_to(address), Vec::new());
    let mut client = bearer(300);
    echo_through(&mut wire, &mut client, 2);
    let answer = ask(&mut wire, &mut client, Method::Refresh, |writer| {
        writer.number(AttributeType::LIFETIME, 3600);
    });
    let granted = answer.number(AttributeType::LIFETIME).unwrap();
    assert!((240..=305).contains(&granted), "{granted}");
    client.bearer = token(1000);
    let answer = ask(&mut wire, &mut client, Method::Refresh, |writer| {
        writer.number(AttributeType::LIFETIME, 3600);
    });
    let granted = answer.number(AttributeType::LIFETIME).unwrap();
    assert!((940..=1005).contains(&granted), "{granted}");
}
