//! A `chromedriver` of our own on a loopback port → a Chromium that a test drives.
//!
//! Invariant: nothing of it outlives its [`Browser`], and it has a profile of its own that knows no other page.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the driver may take to listen.
const START: Duration = Duration::from_secs(30);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_mins(1);

/// What the page is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// 1280 × 900.
    Desk,
    /// 390 × 844, touched.
    Phone,
}

/// A browser with one window.
pub(crate) struct Browser {
    /// What drives it.
    pub(crate) client: Client,
    port: u16,
    session: String,
    driver: Driver,
}

/// The driver's processes, browser included, and its folder.
struct Driver {
    leader: Child,
    folder: TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.leader.id().cast_signed()) {
            // A group that is gone already is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.leader.wait();
    }
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

impl Driver {
    fn start(program: &std::path::Path) -> anyhow::Result<(Self, u16)> {
        let folder = tempfile::tempdir()?;
        let output = folder.path().join("output");
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(File::create(&output)?).stderr(Stdio::null());
        // What Chromium writes beside its profile goes where it is swept up.
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        let leader = command.process_group(0).spawn().with_context(|| format!("start {}", program.display()))?;
        let driver = Self { leader, folder };
        let port = driver.port(&output)?;
        Ok((driver, port))
    }

    /// The port that the driver says it listens on.
    fn port(&self, output: &std::path::Path) -> anyhow::Result<u16> {
        let deadline = Instant::now() + START;
        let mut said = String::new();
        while Instant::now() < deadline {
            said.clear();
            File::open(output)?.read_to_string(&mut said)?;
            let port = said.split("successfully on port ").nth(1).and_then(|rest| rest.trim_end().strip_suffix('.'));
            if let Some(port) = port {
                return port.parse().context("read the driver's port");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("chromedriver (process {}) listens nowhere after {START:?}: {said}", self.leader.id())
    }
}

fn capabilities(screen: Screen, browser: &std::path::Path, profile: &std::path::Path) -> Value {
    let arguments = [
        "--headless".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let mut options = json!({ "binary": browser, "args": arguments });
    if screen == Screen::Phone {
        options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 3.0 } });
    }
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    })
}

/// What the page asked for, if that is what an entry of the log tells; the browser's own pages ask for things too.
fn request(entry: &Value) -> Option<String> {
    let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let (method, parameters) = (&event["message"]["method"], &event["message"]["params"]);
    let is_ours = parameters["documentURL"].as_str()?.starts_with("file:///");
    (method == "Network.requestWillBeSent" && is_ours)
        .then(|| parameters["request"]["url"].as_str().map(str::to_owned))?
}

/// The body of an answer. The driver leaves the connection open, so its length decides.
async fn answer(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut read).await? > 0, "the driver breaks off: {}", String::from_utf8_lossy(&read));
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer with a length")?.trim().parse()?;
        if read.len() >= end + 4 + length {
            let body = read.split_off(end + 4);
            ensure!(head.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(&body));
            return Ok(body);
        }
    }
}

impl Browser {
    /// Starts a browser; `None` where Chromium or its driver is not there.
    ///
    /// # Errors
    /// They are there and do not start.
    pub(crate) async fn start(screen: Screen) -> anyhow::Result<Option<Self>> {
        let driver = std::env::var_os("CHROMEDRIVER").map(PathBuf::from).or_else(|| on_path(&["chromedriver"]));
        let browser = on_path(&["chromium", "chromium-browser", "google-chrome", "chrome"]);
        let Some((driver, browser)) = driver.zip(browser) else { return Ok(None) };
        let (driver, port) = Driver::start(&driver)?;
        let wanted = capabilities(screen, &browser, &driver.folder.path().join("profile"));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted.as_object().cloned().context("an object")?);
        let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.context("start Chromium")?;
        let session = client.session_id().await?.context("the session's id")?;
        Ok(Some(Self { client, port, session, driver }))
    }

    /// Sends a command that `WebDriver` itself does not have, and returns its value.
    async fn send(&self, command: &str, body: &Value) -> anyhow::Result<Value> {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!(
            "POST /session/{}/{command} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.session,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let answer = tokio::time::timeout(ANSWER, answer(&mut stream)).await.with_context(|| command.to_owned())??;
        Ok(serde_json::from_slice::<Value>(&answer)?["value"].take())
    }

    /// Makes the browser prefer a colour scheme, `light` or `dark`.
    ///
    /// # Errors
    /// The driver's own.
    pub(crate) async fn prefer(&self, scheme: &str) -> anyhow::Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.send("goog/cdp/execute", &command).await?;
        Ok(())
    }

    /// Checks that the page has complained of nothing so far, and asked for nothing but itself.
    ///
    /// # Errors
    /// A message of the console, or a request.
    pub(crate) async fn check_silence(&self) -> anyhow::Result<()> {
        let console = self.send("se/log", &json!({ "type": "browser" })).await?;
        ensure!(console == json!([]), "the console says {console}");
        let log = self.send("se/log", &json!({ "type": "performance" })).await?;
        let requests: Vec<String> = log.as_array().context("a list")?.iter().filter_map(request).collect();
        let foreign = requests.iter().find(|url| !url.starts_with("file:///") && !url.starts_with("data:"));
        ensure!(
            requests.iter().any(|url| url.ends_with("/report.html")),
            "the log has no request at all: {requests:?}"
        );
        ensure!(foreign.is_none(), "the page asks for {foreign:?}");
        Ok(())
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// The driver's own.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.client.close().await?;
        drop(self.driver);
        Ok(())
    }
}
