//! The embedded default: private servers in a data directory, and the note by which other
//! commands find them.

use crate::config::{self, Config, MasterKey};
use crate::tuning::Tuning;
use anyhow::{Context, Result, bail};
use embedded::{
    DropSettings, ObjectServer, ObjectServerSettings, PostgresSettings, PrivatePostgres, Sandbox,
    SftpDrop, free_port, secret_file,
};
use partners::ObjectSettings;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Servers and where they are. Dropping it stops them.
pub(crate) struct Instance {
    pub(crate) config: Config,
    pub(crate) sftp: SftpDrop,
    pub(crate) sftp_password: SecretString,
    pub(crate) sandbox: Sandbox,
    note: PathBuf,
    _objects: ObjectServer,
    _postgres: PrivatePostgres,
}

/// The SFTP user the demo's dealers log in as.
pub(crate) const SFTP_USER: &str = "dealer";

/// The host in the sample files' photo URLs: fixed, so that feeds do not change with its port.
pub(crate) const PHOTO_HOST: &str = "photos.example.com";

/// Ports are chosen once, so that a second start has the same addresses.
#[derive(Serialize, Deserialize)]
struct Ports {
    api: u16,
    s3: u16,
    sftp: u16,
}

/// What another command needs to join; readable by its owner only.
#[derive(Serialize, Deserialize)]
struct Note {
    pid: u32,
    /// Another process may have its number by now.
    #[serde(default)]
    begun: String,
    database_url: String,
    s3_endpoint: String,
    s3_access_key: String,
    s3_secret_key: String,
    master_key: String,
    listen: std::net::SocketAddr,
    site: String,
    #[serde(default)]
    ours: HashMap<String, SocketAddr>,
}

const BUCKET: &str = "forecourt";

impl Instance {
    pub(crate) async fn start(data_dir: &Path) -> Result<Self> {
        fs::create_dir_all(data_dir).with_context(|| format!("make {}", data_dir.display()))?;
        // The postgres user must be able to pass; what is secret below is closed by itself.
        fs::set_permissions(data_dir, fs::Permissions::from_mode(0o755))?;
        let secrets = data_dir.join("secrets");
        for closed in [&secrets, &data_dir.join("objects"), &data_dir.join("drop")] {
            embedded::private_dir(closed)?;
        }
        let settings = PostgresSettings {
            root: data_dir.join("postgres"),
            binaries: config::postgres_binaries(),
            durable: true,
            max_connections: 80,
        };
        let postgres = tokio::task::spawn_blocking(move || -> Result<PrivatePostgres> {
            let postgres = PrivatePostgres::start(&settings)?;
            postgres.ensure_database("forecourt")?;
            Ok(postgres)
        })
        .await??;
        let ports = ports(data_dir)?;
        let master_key = secret_file(&secrets.join("master.key"))?;
        let s3_secret = hex(&secret_file(&secrets.join("s3.key"))?);
        let sftp_password = hex(&secret_file(&secrets.join("sftp.key"))?)[..24].to_owned();
        let objects = ObjectServer::start(&ObjectServerSettings {
            root: data_dir.join("objects"),
            port: ports.s3,
            bucket: BUCKET.to_owned(),
            access_key: BUCKET.to_owned(),
            secret_key: s3_secret.clone(),
        })
        .await?;
        let sftp = SftpDrop::start(&DropSettings {
            root: data_dir.join("drop"),
            host_key: secrets.join("sftp-host.key"),
            port: ports.sftp,
            username: SFTP_USER.to_owned(),
            password: sftp_password.clone(),
        })
        .await?;
        let sandbox = Sandbox::start(0).await?;
        let config = Config {
            ours: sandbox
                .hosts()
                .into_iter()
                .chain([(PHOTO_HOST.to_owned(), sandbox.address)])
                .collect(),
            database_url: postgres.url("forecourt").into(),
            objects: ObjectSettings {
                endpoint: Some(objects.endpoint.clone()),
                region: "us-east-1".to_owned(),
                bucket: BUCKET.to_owned(),
                access_key: BUCKET.to_owned(),
                secret_key: s3_secret.into(),
            },
            master_key: MasterKey(master_key),
            listen: ([127, 0, 0, 1], ports.api).into(),
            // A fixed address: feeds must not change because a port did.
            site: "https://stock.example.com".to_owned(),
            data_dir: data_dir.to_owned(),
            tuning: Tuning::from_env()?,
        };
        let note = data_dir.join("runtime.json");
        write_note(&note, &config)?;
        Ok(Self {
            config,
            sftp,
            sftp_password: sftp_password.into(),
            sandbox,
            note,
            _objects: objects,
            _postgres: postgres,
        })
    }

    /// The configuration of the environment, or of the instance that runs on this data directory.
    pub(crate) fn find(data_dir: &Path) -> Result<Config> {
        if let Some(config) = Config::from_env()? {
            return Ok(config);
        }
        match Self::running(data_dir)? {
            Some(config) => Ok(config),
            None => bail!(
                "DATABASE_URL is not set and there is no instance in {}: start one with `forecourt up` or `forecourt demo`",
                data_dir.display()
            ),
        }
    }

    /// Whether there is stock in this data directory, running or not.
    pub(crate) fn at_rest(data_dir: &Path) -> bool {
        data_dir.join("postgres").exists()
    }

    /// The instance that runs on this data directory, if one does.
    pub(crate) fn running(data_dir: &Path) -> Result<Option<Config>> {
        let path = data_dir.join("runtime.json");
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(None);
        };
        let note: Note =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        if begun(note.pid).is_none_or(|begun| begun != note.begun) {
            return Ok(None);
        }
        let master_key =
            config::key_of(&note.master_key).context("master key of the running instance")?;
        Ok(Some(Config {
            database_url: note.database_url.into(),
            objects: ObjectSettings {
                endpoint: Some(note.s3_endpoint),
                region: "us-east-1".to_owned(),
                bucket: BUCKET.to_owned(),
                access_key: note.s3_access_key,
                secret_key: note.s3_secret_key.into(),
            },
            master_key: MasterKey(master_key),
            listen: note.listen,
            site: note.site,
            ours: note.ours,
            data_dir: data_dir.to_owned(),
            tuning: Tuning::from_env()?,
        }))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.note);
    }
}

fn ports(data_dir: &Path) -> Result<Ports> {
    let path = data_dir.join("ports.json");
    if let Ok(text) = fs::read_to_string(&path)
        && let Ok(ports) = serde_json::from_str(&text)
    {
        return Ok(ports);
    }
    let ports = Ports {
        api: free_port()?,
        s3: free_port()?,
        sftp: free_port()?,
    };
    fs::write(&path, serde_json::to_string(&ports)?)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(ports)
}

/// When a process began, and since which start of the machine that is counted: proc(5), `stat`.
fn begun(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may have blanks and brackets; what is counted stands behind it.
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{ticks} {}", machine.trim()))
}

fn write_note(path: &Path, config: &Config) -> Result<()> {
    let note = Note {
        pid: std::process::id(),
        begun: begun(std::process::id()).unwrap_or_default(),
        database_url: config.database_url.expose_secret().to_owned(),
        s3_endpoint: config.objects.endpoint.clone().unwrap_or_default(),
        s3_access_key: config.objects.access_key.clone(),
        s3_secret_key: config.objects.secret_key.expose_secret().to_owned(),
        master_key: hex(&config.master_key.0),
        listen: config.listen,
        site: config.site.clone(),
        ours: config.ours.clone(),
    };
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&part)?;
    std::io::Write::write_all(&mut file, serde_json::to_string_pretty(&note)?.as_bytes())?;
    fs::rename(&part, path)?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
