//! Saves every page of a running console, light and dark: `screenshots URL KEY FOLDER`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for authors"
)]

#[path = "../tests/browser/mod.rs"]
mod browser;

use browser::Window;
use chromiumoxide::cdp::browser_protocol::emulation::MediaFeature;
use chromiumoxide::page::ScreenshotParams;

const PAGES: [(&str, &str); 12] = [
    ("tonight", "/console/"),
    ("jobs", "/console/jobs"),
    ("job", "/console/jobs/1"),
    ("queues", "/console/queues"),
    ("runs", "/console/runs"),
    ("run", "/console/runs/1"),
    ("schedules", "/console/schedules"),
    ("schedule", "/console/schedules/feed-generic"),
    ("partners", "/console/partners"),
    ("workers", "/console/workers"),
    ("stock", "/console/stock?number=B00007"),
    ("unit", "/console/units/1"),
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let [url, key, folder] = [(); 3].map(|()| arguments.next().expect("URL KEY FOLDER"));
    std::fs::create_dir_all(&folder).unwrap();
    let window = Window::open(&url).await;
    for look in ["light", "dark"] {
        let scheme = MediaFeature::new("prefers-color-scheme", look);
        window
            .page
            .emulate_media_features(vec![scheme])
            .await
            .unwrap();
        if look == "light" {
            window.go("/console/login").await;
            save(&window, &folder, "login", look).await;
            window.log_in(&key).await;
        }
        for (name, path) in PAGES {
            window.go(path).await;
            window.until("Leave").await;
            save(&window, &folder, name, look).await;
        }
    }
}

async fn save(window: &Window, folder: &str, name: &str, look: &str) {
    let file = format!("{folder}/{name}-{look}.png");
    let whole = ScreenshotParams::builder().build();
    window.page.save_screenshot(whole, &file).await.unwrap();
    println!("{file}");
}
