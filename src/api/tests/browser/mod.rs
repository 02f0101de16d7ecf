//! Debian's Chromium, driven over its own protocol. Ends with the test.

use chromiumoxide::Page;
use chromiumoxide::browser::{Browser, BrowserConfig};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) struct Window {
    pub(crate) page: Page,
    url: String,
    _browser: Browser,
    profile: PathBuf,
}

/// A page that is not what is waited for by then is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(
    clippy::disallowed_methods,
    reason = "tests and tools name a browser that is elsewhere"
)]
fn chromium() -> PathBuf {
    let named = std::env::var_os("FORECOURT_CHROMIUM").map(PathBuf::from);
    let found = named.into_iter().chain([
        PathBuf::from("/usr/bin/chromium"),
        PathBuf::from("/usr/bin/chromium-browser"),
        PathBuf::from("/usr/bin/google-chrome"),
    ]);
    found
        .into_iter()
        .find(|path| path.exists())
        .expect("Chromium: run `.ci/setup test`, or name it in FORECOURT_CHROMIUM")
}

impl Window {
    pub(crate) async fn open(url: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("fc-browser-{}-{number}", std::process::id()));
        let config = BrowserConfig::builder()
            .chrome_executable(chromium())
            .user_data_dir(&profile)
            .no_sandbox()
            .new_headless_mode()
            .window_size(1400, 1000)
            .viewport(None)
            .arg("--disable-gpu")
            .arg("--disable-dev-shm-usage")
            .build()
            .expect("a browser's settings");
        let (browser, mut handler) = Browser::launch(config).await.expect("Chromium");
        tokio::spawn(async move { while handler.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.expect("a page");
        Self {
            page,
            url: url.to_owned(),
            _browser: browser,
            profile,
        }
    }

    pub(crate) async fn go(&self, path: &str) {
        let to = format!("{}{path}", self.url);
        self.page.goto(to).await.expect("a page that loads");
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, script: &str) -> T {
        let begun = Instant::now();
        loop {
            // Between two pages there is nobody to ask.
            match self.page.evaluate(script).await {
                Ok(found) => return found.into_value().expect("an answer of that kind"),
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{script}: {error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn text(&self) -> String {
        // Between two pages there is nothing to ask.
        match self
            .page
            // Half a page is none: what it says further down is not there yet.
            .evaluate("document.readyState === 'loading' ? '' : document.body.innerText")
            .await
        {
            Ok(found) => found.into_value().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Until the page says this; its text.
    pub(crate) async fn until(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(words) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "no {words:?} in:\n{text}");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn fill(&self, selector: &str, value: &str) {
        let found: bool = self
            .ask(&format!(
                "(() => {{ const f = document.querySelector({selector:?}); if (f) f.value = {value:?}; return !!f }})()"
            ))
            .await;
        assert!(found, "no {selector}");
    }

    /// Clicks what carries this label: a button or a link.
    pub(crate) async fn press(&self, label: &str) {
        let script = format!(
            "(() => {{ if (document.readyState === 'loading') return false;
               const all = [...document.querySelectorAll('button, a')];
               const it = all.find((e) => e.innerText.trim().startsWith({label:?})); if (it) it.click(); return !!it }})()"
        );
        let begun = Instant::now();
        loop {
            if let Ok(found) = self.page.evaluate(script.as_str()).await
                && found.into_value::<bool>().unwrap_or(false)
            {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing called {label:?} in:\n{}",
                self.text().await
            );
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn log_in(&self, key: &str) {
        self.go("/console/login").await;
        self.fill("#key", key).await;
        self.press("Come in").await;
        self.until("Tonight").await;
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The process dies with its handle; what it wrote goes with it.
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
