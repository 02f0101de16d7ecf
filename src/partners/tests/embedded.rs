//! Against the embedded servers, which speak the real protocols.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::{DropSettings, ObjectServer, ObjectServerSettings, SftpDrop};
use partners::sftp::{self, SftpClient};
use partners::{Arrived, ErrorKind, ObjectSettings, Objects, SftpLogin, SftpSettings};
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    let path =
        std::env::temp_dir().join(format!("forecourt-partners-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

async fn objects(name: &str) -> (ObjectServer, Objects) {
    let server = ObjectServer::start(&ObjectServerSettings {
        root: folder(name),
        port: 0,
        bucket: "forecourt".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
    })
    .await
    .unwrap();
    let objects = Objects::new(&ObjectSettings {
        endpoint: Some(server.endpoint.clone()),
        region: "us-east-1".to_owned(),
        bucket: "forecourt".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "secret".into(),
    });
    (server, objects)
}

#[tokio::test]
async fn objects_come_back_as_they_went() {
    let (_server, objects) = objects("small").await;
    objects.check().await.unwrap();
    objects
        .put("raw/ab", b"stock,vin\n".to_vec(), "text/csv")
        .await
        .unwrap();
    assert_eq!(objects.get("raw/ab").await.unwrap(), b"stock,vin\n");
    assert!(objects.exists("raw/ab").await.unwrap());
    assert!(!objects.exists("raw/cd").await.unwrap());
    assert_eq!(
        objects.get("raw/cd").await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

/// Larger than a part: multipart, in pieces that do not end where parts do.
#[tokio::test]
async fn a_large_upload_leaves_in_parts_and_arrives_whole() {
    let (_server, objects) = objects("large").await;
    let bytes: Vec<u8> = (0..20_000_000u32)
        .map(|n| n.to_le_bytes()[(n % 3) as usize])
        .collect();
    let mut upload = objects.upload("feeds/big.tsv", "text/plain").unwrap();
    for piece in bytes.chunks(300_007) {
        upload.write(piece).await.unwrap();
    }
    assert!(
        !objects.exists("feeds/big.tsv").await.unwrap(),
        "visible before it is whole"
    );
    upload.finish().await.unwrap();
    assert!(objects.get("feeds/big.tsv").await.unwrap() == bytes);
    let abandoned = objects.upload("feeds/gone.tsv", "text/plain").unwrap();
    abandoned.abandon().await.unwrap();
    assert!(!objects.exists("feeds/gone.tsv").await.unwrap());
}

#[tokio::test]
async fn a_wrong_credential_is_denied() {
    let (server, _) = objects("denied").await;
    let wrong = Objects::new(&ObjectSettings {
        endpoint: Some(server.endpoint.clone()),
        region: "us-east-1".to_owned(),
        bucket: "forecourt".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "guess".into(),
    });
    assert_eq!(
        wrong.get("raw/ab").await.unwrap_err().kind,
        ErrorKind::Denied
    );
}

async fn sftp(name: &str) -> (SftpDrop, SftpSettings, PathBuf) {
    let root = folder(name);
    let server = SftpDrop::start(&DropSettings {
        root: root.join("drop"),
        host_key: root.join("host.key"),
        port: 0,
        username: "dealer".to_owned(),
        password: "hunter2".to_owned(),
    })
    .await
    .unwrap();
    let settings = SftpSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        username: "dealer".to_owned(),
        login: SftpLogin::Password("hunter2".into()),
        host_key: server.fingerprint.clone(),
        answer: sftp::ANSWER,
    };
    (server, settings, root)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_is_listed_and_fetched() {
    let (_server, settings, root) = sftp("roundtrip").await;
    let bytes = vec![7u8; 700_000];
    let sent = bytes.clone();
    let (files, unsafe_names, fetched) = blocking(move || {
        let client = SftpClient::connect(&settings).unwrap();
        client.make_folder("/bayview").unwrap();
        client.put("/bayview", "stock.csv", b"first").unwrap();
        client.put("/bayview", "stock.csv", &sent).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("drop/bayview/link.csv")).unwrap();
        std::fs::write(root.join("drop/bayview/.stock.csv.part"), b"half").unwrap();
        std::fs::write(root.join("drop/bayview/a..b.csv"), b"trick").unwrap();
        let (files, unsafe_names) = client.list("/bayview", "*.csv").unwrap();
        let stage = root.join("stage");
        // A fetch that was cut, of which this much is there.
        std::fs::write(&stage, &sent[..300_000]).unwrap();
        let arrived = client.fetch("/bayview", &files[0], &stage).unwrap();
        assert_eq!(arrived, Arrived::Whole);
        let fetched = std::fs::read(&stage).unwrap();
        assert_eq!(
            client.list("/../../etc", "*").unwrap_err().kind,
            ErrorKind::NotFound
        );
        (files, unsafe_names, fetched)
    })
    .await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].name, "stock.csv");
    assert_eq!(unsafe_names.len(), 2, "{unsafe_names:?}");
    assert!(fetched == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_is_refused_before_the_password_is_sent() {
    let (_server, mut settings, _) = sftp("hostkey").await;
    settings.host_key = "SHA256:somebodyElse".to_owned();
    let error = blocking(move || SftpClient::connect(&settings).err().unwrap()).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.to_string().contains("host key"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_denied_and_a_dead_host_is_not() {
    let (server, mut settings, _) = sftp("password").await;
    settings.login = SftpLogin::Password("guess".into());
    let wrong = settings.clone();
    let error = blocking(move || SftpClient::connect(&wrong).err().unwrap()).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(!error.to_string().contains("guess"));
    drop(server);
    settings.port = embedded::free_port().unwrap();
    let error = blocking(move || SftpClient::connect(&settings).err().unwrap()).await;
    assert!(error.passing(), "{error}");
}
