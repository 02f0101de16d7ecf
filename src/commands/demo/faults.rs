//! `demo --faults`: the night with partners that fail as a file says, and what becomes of it once they do not.

use crate::instance::Instance;
use crate::platform::Platform;
use anyhow::{Context, Result};
use embedded::{Faults, Sandbox};
use jobs::sources::SourceOrder;
use std::time::{Duration, Instant};
use stores::{ProviderView, Providers};

/// What waits longer than this after its partner is back waits for the schedule.
const AT_MOST: Duration = Duration::from_secs(10 * 60);

/// The sandbox begins to fail; one more provider's word comes by file.
pub(super) async fn begin(
    platform: &Platform,
    instance: &Instance,
    faults: Faults,
    listings: usize,
) -> Result<()> {
    let vins = crate::sample::vins(listings);
    let folder = instance.config.data_dir.join("drop").join("badges");
    std::fs::create_dir_all(&folder).context("make the badge files' folder")?;
    std::fs::write(folder.join("badges.csv"), Sandbox::badge_file(&vins))
        .context("write the badge file")?;
    let order = SourceOrder {
        dealer: Some("bayview-motors".to_owned()),
        mapping: Some("badges".to_owned()),
        host: Some("127.0.0.1".to_owned()),
        port: Some(instance.sftp.port),
        username: Some(crate::instance::SFTP_USER.to_owned()),
        password: Some(instance.sftp_password.clone()),
        host_key: Some(instance.sftp.fingerprint.clone()),
        folder: Some("/badges".to_owned()),
        ..SourceOrder::default()
    };
    jobs::sources::put(&platform.app, "badges", order, "demo").await?;
    instance.sandbox.misbehave(faults);
    Ok(())
}

/// Tells what the night left, lets the partners recover, and waits until nothing is owed any more.
pub(super) async fn end(platform: &Platform, instance: &Instance) -> Result<()> {
    eprintln!("partners failed as told; the night is over, and this is still to be asked:");
    tell(&views(platform).await?);
    instance.sandbox.misbehave(Faults::default());
    eprintln!("they fail no more");
    let begun = Instant::now();
    loop {
        let views = views(platform).await?;
        let owed: i64 = views.iter().map(|view| view.due + view.failing).sum();
        if owed == 0 || begun.elapsed() > AT_MOST {
            eprintln!("after {:.0} s:", begun.elapsed().as_secs_f64());
            tell(&views);
            let mut conn = platform.app.pool.acquire().await?;
            let later = stores::Photos::failed(&mut conn).await?;
            if later > 0 {
                eprintln!(
                    "  {later} photos whose host failed are asked for again within minutes: `forecourt reports photos`"
                );
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn views(platform: &Platform) -> Result<Vec<ProviderView>> {
    let mut conn = platform.app.pool.acquire().await?;
    Ok(Providers::views(&mut conn).await?)
}

fn tell(views: &[ProviderView]) {
    for view in views {
        eprintln!("  {}", super::super::providers::line(view));
    }
}
