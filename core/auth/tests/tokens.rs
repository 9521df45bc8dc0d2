//! Join tokens: what opens a room, and that everything else is refused alike (FAULTS W11).

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests and a table of cases"
)]

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use trefoil_auth::{ApiKey, Claims, LEEWAY_SECONDS, Permission, Role, Secret, Unauthorized, sign, verify};

const NOW: u64 = 1_795_268_400;

fn keys() -> Vec<ApiKey> {
    vec![
        ApiKey {
            key: "north".into(),
            secret: Secret::new("n".repeat(32)),
            namespace: None,
        },
        ApiKey {
            key: "south".into(),
            secret: Secret::new("s".repeat(32)),
            namespace: Some("pole".into()),
        },
    ]
}

fn claims() -> Claims {
    Claims {
        iss: "north".into(),
        sub: "ann".into(),
        ns: "default".into(),
        room: "lobby".into(),
        name: Some("Ann".into()),
        role: Role::Viewer,
        permissions: Some(vec![Permission::Message]),
        hidden: false,
        exp: NOW + 600,
        nbf: None,
    }
}

fn signed(claims: &Claims) -> String {
    sign(claims, &Secret::new("n".repeat(32))).unwrap()
}

/// A token whose three parts are these texts, with a right HS256 signature by `north` over them.
fn forged(header: &str, payload: &str) -> String {
    let body = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, "n".repeat(32).as_bytes());
    format!(
        "{body}.{}",
        BASE64.encode(aws_lc_rs::hmac::sign(&key, body.as_bytes()))
    )
}

#[test]
fn what_was_signed_is_what_is_verified() {
    assert_eq!(verify(&signed(&claims()), &keys(), NOW), Ok(claims()));
}

#[test]
fn a_token_made_elsewhere_needs_only_who_where_and_until_when() {
    let payload = format!(
        r#"{{"iss":"north","sub":"ann","ns":"default","room":"lobby","exp":{}}}"#,
        NOW + 1
    );
    let token = forged(r#"{"alg":"HS256","typ":"JWT"}"#, &payload);
    let claims = verify(&token, &keys(), NOW).unwrap();
    assert_eq!(
        (claims.role, claims.name, claims.permissions, claims.nbf),
        (Role::Speaker, None, None, None)
    );
}

#[test]
fn a_token_is_valid_from_nbf_to_exp_give_or_take_the_leeway() {
    let token = signed(&Claims {
        nbf: Some(NOW),
        exp: NOW + 600,
        ..claims()
    });
    for (now, valid) in [
        (NOW - LEEWAY_SECONDS - 1, false),
        (NOW - LEEWAY_SECONDS, true),
        (NOW + 600 + LEEWAY_SECONDS - 1, true),
        (NOW + 600 + LEEWAY_SECONDS, false),
        (u64::MAX, false),
    ] {
        assert_eq!(verify(&token, &keys(), now).is_ok(), valid, "{now}");
    }
    assert!(
        verify(
            &signed(&Claims {
                exp: u64::MAX,
                ..claims()
            }),
            &keys(),
            u64::MAX - 1
        )
        .is_ok()
    );
}

#[test]
fn a_key_of_one_namespace_opens_no_other() {
    let south = Secret::new("s".repeat(32));
    let pole = Claims {
        iss: "south".into(),
        ns: "pole".into(),
        ..claims()
    };
    assert!(verify(&sign(&pole, &south).unwrap(), &keys(), NOW).is_ok());
    let other = Claims {
        ns: "default".into(),
        ..pole
    };
    assert_eq!(
        verify(&sign(&other, &south).unwrap(), &keys(), NOW),
        Err(Unauthorized)
    );
}

/// W11: every wrong token has one and the same refusal.
#[test]
fn every_wrong_token_is_refused_alike() {
    let good = format!(
        r#"{{"iss":"north","sub":"a","ns":"d","room":"r","exp":{}}}"#,
        NOW + 9
    );
    let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
    assert!(
        verify(&forged(hs256, &good), &keys(), NOW).is_ok(),
        "the pattern itself is good"
    );
    let unsigned = forged(r#"{"alg":"none"}"#, &good);
    let (body, _) = unsigned.rsplit_once('.').unwrap();
    let with = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
    let wrong = [
        ("alg none, signed", unsigned.clone()),
        ("alg none, unsigned", format!("{body}.")),
        ("alg HS512", forged(r#"{"alg":"HS512"}"#, &good)),
        ("alg RS256", forged(r#"{"alg":"RS256"}"#, &good)),
        ("alg unknown", forged(r#"{"alg":"XS1"}"#, &good)),
        ("no header", forged("", &good)),
        (
            "another secret",
            sign(&claims(), &Secret::new("another")).unwrap(),
        ),
        ("an unknown issuer", forged(hs256, &good.replace("north", "east"))),
        (
            "another key's issuer",
            forged(hs256, &good.replace("north", "south")),
        ),
        (
            "an audience that is not us",
            forged(hs256, &with(r#""aud":"elsewhere""#)),
        ),
        (
            "exp past",
            signed(&Claims {
                exp: NOW - LEEWAY_SECONDS,
                ..claims()
            }),
        ),
        (
            "exp as text",
            forged(hs256, &good.replace(&(NOW + 9).to_string(), "\"9999999999\"")),
        ),
        (
            "exp negative",
            forged(hs256, &good.replace(&(NOW + 9).to_string(), "-1")),
        ),
        (
            "no exp",
            forged(hs256, r#"{"iss":"north","sub":"a","ns":"d","room":"r"}"#),
        ),
        (
            "nbf in the future",
            signed(&Claims {
                nbf: Some(NOW + LEEWAY_SECONDS + 1),
                ..claims()
            }),
        ),
        ("duplicate claims", forged(hs256, &with(r#""sub":"bob""#))),
        ("a role that is none", forged(hs256, &with(r#""role":"king""#))),
        (
            "a permission that is none",
            forged(hs256, &with(r#""permissions":["fly"]"#)),
        ),
        ("no room", forged(hs256, &good.replace(r#""room":"r","#, ""))),
        (
            "a list of issuers",
            forged(hs256, &good.replace("\"north\"", "[\"north\"]")),
        ),
        ("not a token", "lobby".into()),
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("a megabyte", "a".repeat(1 << 20)),
        (
            "a megabyte of claims",
            forged(hs256, &with(&format!(r#""x":"{}""#, "x".repeat(1 << 20)))),
        ),
    ];
    for (what, token) in wrong {
        assert_eq!(verify(&token, &keys(), NOW), Err(Unauthorized), "{what}");
    }
}

/// W11: a `kid` is not a path and not a key.
#[test]
fn a_kid_changes_nothing() {
    let payload = format!(
        r#"{{"iss":"north","sub":"a","ns":"d","room":"r","exp":{}}}"#,
        NOW + 9
    );
    let token = forged(r#"{"alg":"HS256","kid":"../../etc/passwd"}"#, &payload);
    assert!(verify(&token, &keys(), NOW).is_ok());
    assert_eq!(verify(&token, &keys()[1..], NOW), Err(Unauthorized));
}

#[test]
fn any_change_of_a_byte_breaks_a_token() {
    let token = signed(&claims());
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        // The last digit of a base64 text may carry unused bits, which a strict reader refuses as well.
        assert_eq!(
            verify(std::str::from_utf8(&bytes).unwrap(), &keys(), NOW),
            Err(Unauthorized),
            "byte {place}"
        );
    }
}
