//! The page and what it may do.

use crate::support::*;

#[tokio::test]
async fn the_page_is_served_for_the_root_and_for_every_room() {
    let server = start(|_| {}).await;
    let address = server.listening();
    for path in ["/", "/r/lobby", "/r/a.b-c_d~e?x=1"] {
        let page = get(address, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.body.to_ascii_lowercase().starts_with("<!doctype html"),
            "{path}: {:.100}",
            page.body
        );
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = page.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'self'",
            "connect-src 'self' ws: wss:",
            "media-src 'self' blob:",
            "img-src 'self' blob: data:",
            "worker-src 'self'",
            "object-src 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{rule}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let head = http(address, "HEAD", "/", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn what_the_page_loads_is_there_and_is_not_sent_twice() {
    let server = start(|_| {}).await;
    let address = server.listening();
    let page = get(address, "/").await.body;
    let loaded = |attribute: &str| {
        let parts: Vec<_> = page.split(&format!("{attribute}=\"/")).skip(1).collect();
        parts
            .into_iter()
            .map(|rest| format!("/{}", rest.split('"').next().unwrap()))
            .collect::<Vec<_>>()
    };
    let files: Vec<_> = [loaded("src"), loaded("href")].concat();
    let files: Vec<_> = files.iter().filter(|file| file.contains('.')).collect();
    assert!(!files.is_empty(), "the page loads nothing: {page}");
    for file in files {
        let first = get(address, file).await;
        assert_eq!(first.status, 200, "{file}");
        let kind = first.header("content-type").unwrap();
        let right = match file.rsplit('.').next().unwrap() {
            "js" => "javascript",
            "css" => "text/css",
            other => other,
        };
        assert!(kind.contains(right), "{file} is {kind}");
        assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
        let tag = first.header("etag").unwrap();
        let again = http(
            address,
            "GET",
            file,
            &format!("if-none-match: \"x\", {tag}\r\n"),
            "",
        )
        .await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{file}");
        let other = http(address, "GET", file, "if-none-match: \"x\"\r\n", "").await;
        assert_eq!(other.status, 200, "{file}");
    }
}

#[tokio::test]
async fn tests_and_packages_of_the_page_are_not_served() {
    let server = start(|_| {}).await;
    for path in [
        "/package.json",
        "/test/index.html",
        "/node_modules/x.js",
        "/nothing.js",
        "/sdk",
    ] {
        let answer = get(server.listening(), path).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "not_found".to_owned()),
            "{path}"
        );
    }
}
