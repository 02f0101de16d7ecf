//! Wake-ups by NOTIFY. Losing one is harmless: every claimer also looks once a second.

use crate::QueueName;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::sync::broadcast;

pub(super) async fn listen(pool: PgPool, wakes: broadcast::Sender<QueueName>) {
    let mut pause = Duration::from_millis(100);
    loop {
        match subscribe(&pool).await {
            Ok(mut listener) => {
                pause = Duration::from_millis(100);
                while let Ok(note) = listener.recv().await {
                    if let Some(queue) = QueueName::parse(note.payload()) {
                        // No receiver means no worker here; nothing to wake.
                        let _ = wakes.send(queue);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "queue wake-ups are lost, polling once a second"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn subscribe(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("forecourt_jobs").await?;
    Ok(listener)
}
