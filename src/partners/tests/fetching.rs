//! Fetching from a host that misbehaves in every way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::Sandbox;
use partners::{ErrorKind, FetchSettings, Fetcher};

async fn set_up(largest: usize) -> (Sandbox, Fetcher) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let host = Sandbox::start(0).await.unwrap();
    let settings = FetchSettings {
        ours: [("photos.test".to_owned(), host.address)].into(),
        largest,
        ..FetchSettings::default()
    };
    (host, Fetcher::new(settings).unwrap())
}

#[tokio::test]
async fn a_photo_is_fetched_and_redirects_are_followed() {
    let (_host, fetcher) = set_up(1 << 20).await;
    let direct = fetcher.get("http://photos.test/bay/1/0.jpg").await.unwrap();
    assert_eq!(direct.content_type.as_deref(), Some("image/jpeg"));
    let moved = fetcher
        .get("http://photos.test/moved/bay/1/0.jpg")
        .await
        .unwrap();
    assert_eq!(direct.bytes, moved.bytes);
}

#[tokio::test]
async fn what_a_host_does_wrong_has_a_kind_and_words() {
    let (host, fetcher) = set_up(1 << 20).await;
    let literal = format!("http://{}/bay/1/0.jpg", host.address);
    for (url, kind, words) in [
        (
            "http://photos.test/missing/1.jpg",
            ErrorKind::NotFound,
            "404",
        ),
        (
            "http://photos.test/busy/1.jpg",
            ErrorKind::Unavailable,
            "503",
        ),
        (
            "http://photos.test/inside/1.jpg",
            ErrorKind::Refused,
            "169.254.169.254",
        ),
        (
            "http://photos.test/round/1.jpg",
            ErrorKind::Refused,
            "redirects more than 5 times",
        ),
        (literal.as_str(), ErrorKind::Refused, "not public"),
        ("http://localhost:1/x.jpg", ErrorKind::Refused, "not public"),
        ("http://[::1]/x.jpg", ErrorKind::Refused, "not public"),
        ("http://0x7f.1/x.jpg", ErrorKind::Refused, "not public"),
        (
            "http://photos.test:5432/x.jpg",
            ErrorKind::Refused,
            "own port",
        ),
        ("https://photos.test/x.jpg", ErrorKind::Refused, "own port"),
        ("file:///etc/passwd", ErrorKind::Refused, "not http"),
        ("ftp://photos.test/x.jpg", ErrorKind::Refused, "not http"),
        (
            "http://me:pass@photos.test/x.jpg",
            ErrorKind::Refused,
            "credentials",
        ),
        ("photos.test/x.jpg", ErrorKind::Refused, "no url"),
    ] {
        let error = fetcher.get(url).await.unwrap_err();
        assert_eq!(error.kind, kind, "{url}: {error}");
        assert!(error.to_string().contains(words), "{url}: {error}");
    }
    assert_eq!(host.requests(), 2 + 1 + 6);
}

#[tokio::test]
async fn a_body_past_the_limit_is_not_read_to_its_end() {
    let (_host, fetcher) = set_up(500).await;
    let error = fetcher
        .get("http://photos.test/bay/1/0.jpg")
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.to_string().contains("500 are allowed"), "{error}");
}

#[tokio::test]
async fn large_bodies_wait_for_one_another_and_their_host_is_not_blamed() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let host = Sandbox::start(0).await.unwrap();
    let settings = FetchSettings {
        ours: [("photos.test".to_owned(), host.address)].into(),
        large: (500, 1),
        ..FetchSettings::default()
    };
    let fetcher = Fetcher::new(settings).unwrap();
    let url = "http://photos.test/bay/1/0.jpg";
    let held = fetcher.get(url).await.unwrap();
    assert!(held.bytes.len() > 500);
    let error = fetcher.get(url).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Shut, "{error}");
    assert!(error.retry_after.is_some() && !error.is_partners_fault());
    drop(held);
    assert!(fetcher.get(url).await.is_ok());
}
