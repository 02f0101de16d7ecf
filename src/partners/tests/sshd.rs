//! The client against OpenSSH's own server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::{Asks, Sshd};
use partners::sftp::SftpClient;
use partners::{Arrived, ErrorKind, SftpLogin, SftpSettings};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn start(name: &str) -> (Sshd, SftpSettings, PathBuf) {
    let root = std::env::temp_dir().join(format!("fc-sshd-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("drop")).unwrap();
    let sshd = Sshd::start(&root.join("keys")).unwrap();
    let settings = SftpSettings {
        host: "127.0.0.1".to_owned(),
        port: sshd.port,
        username: sshd.username.clone(),
        login: SftpLogin::Key(sshd.private_key.clone().into()),
        host_key: sshd.fingerprint.clone(),
        answer: Duration::from_secs(20),
    };
    (sshd, settings, root)
}

#[test]
fn a_server_that_hangs_is_given_up_on_and_the_fetch_goes_on_later() {
    let (sshd, settings, root) = start("hang");
    let folder = root.join("drop");
    let folder = folder.to_str().unwrap();
    let bytes: Vec<u8> = (0u32..1_500_000)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(root.join("drop/stock.csv"), &bytes).unwrap();
    let stage = root.join("stage");
    let patient = SftpClient::connect(&settings).unwrap();
    let (files, _) = patient.list(folder, "*.csv").unwrap();
    drop(patient);
    let hasty = SftpSettings {
        answer: Duration::from_secs(1),
        ..settings.clone()
    };
    sshd.break_after(Some(2_000_000), true);
    let begun = Instant::now();
    let hung = SftpClient::connect(&hasty)
        .and_then(|client| client.fetch(folder, &files[0], &stage))
        .unwrap_err();
    assert!(hung.passing(), "{hung}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{hung}");
    let staged = std::fs::metadata(&stage).unwrap().len();
    assert!(staged > 500_000, "{staged}");
    sshd.break_after(None, false);
    let client = SftpClient::connect(&settings).unwrap();
    assert_eq!(
        client.fetch(folder, &files[0], &stage).unwrap(),
        Arrived::Whole
    );
    assert!(std::fs::read(&stage).unwrap() == bytes);
    let _ = std::fs::remove_dir_all(&root);
}

#[test]
fn a_file_that_was_replaced_since_it_was_listed_is_not_taken_for_it() {
    let (_sshd, settings, root) = start("changed");
    let folder = root.join("drop");
    let path = folder.join("stock.csv");
    let folder = folder.to_str().unwrap();
    std::fs::write(&path, "tonight").unwrap();
    let client = SftpClient::connect(&settings).unwrap();
    let (files, _) = client.list(folder, "*.csv").unwrap();
    std::fs::write(&path, "another").unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    std::fs::File::open(&path)
        .unwrap()
        .set_modified(later)
        .unwrap();
    let stage = root.join("stage");
    assert_eq!(
        client.fetch(folder, &files[0], &stage).unwrap(),
        Arrived::Changed
    );
    std::fs::write(&path, "another and more").unwrap();
    assert_eq!(
        client.fetch(folder, &files[0], &stage).unwrap(),
        Arrived::Changed
    );
    let _ = std::fs::remove_dir_all(&root);
}

#[test]
fn a_key_that_the_server_does_not_know_is_denied() {
    let (_sshd, mut settings, root) = start("key");
    let (_other, theirs, other_root) = start("other-key");
    settings.login = theirs.login;
    let denied = SftpClient::connect(&settings).err().unwrap();
    assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
    for root in [root, other_root] {
        let _ = std::fs::remove_dir_all(&root);
    }
}

/// By the method of that name, and by the questions of servers that ask in no other way; a wrong one is denied.
#[test]
fn a_password_is_given_however_the_server_asks_for_it() {
    for asks in [Asks::Password, Asks::Questions] {
        let name = format!("fc-sshd-{asks:?}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("drop")).unwrap();
        std::fs::write(root.join("drop/stock.csv"), "tonight").unwrap();
        let Some(sshd) = Sshd::asking(&root.join("keys"), asks).unwrap() else {
            eprintln!("we may not give a server accounts of its own here: not tried");
            return;
        };
        let login = |password: &str| SftpSettings {
            host: "127.0.0.1".to_owned(),
            port: sshd.port,
            username: sshd.username.clone(),
            login: SftpLogin::Password(password.to_owned().into()),
            host_key: sshd.fingerprint.clone(),
            answer: Duration::from_secs(20),
        };
        let client = SftpClient::connect(&login(Sshd::PASSWORD)).unwrap();
        let (files, _) = client
            .list(root.join("drop").to_str().unwrap(), "*.csv")
            .unwrap();
        assert_eq!(files.len(), 1, "{asks:?}");
        let denied = SftpClient::connect(&login("stock of the day")).err();
        assert_eq!(denied.unwrap().kind, ErrorKind::Denied, "{asks:?}");
        let _ = std::fs::remove_dir_all(&root);
    }
}
