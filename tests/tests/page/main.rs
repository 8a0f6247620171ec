//! The page of a run in a real Chromium, at the width of a desk and of a phone: it fits, sorts and searches, shows
//! hostile titles without obeying them, and asks the network for nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod hostile_run;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use browser::{Browser, Screen};
use fantoccini::Locator;
use serde_json::{Value, json};
use strata_tests::{binaries, skipped};

/// A run's page as the real `strata report` writes it into `folder`.
async fn page(folder: &Path) -> anyhow::Result<PathBuf> {
    let store = folder.join("store");
    hostile_run::write(store.to_str().context("a path of text")?).await?;
    let file = folder.join("report.html");
    let mut command = binaries::command("strata")?;
    let output = command.args(["report", "--store"]).arg(&store).arg("--html").arg(&file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(file)
}

/// Opens the page on a screen; `None`, which is noted, where there is no browser.
async fn open(folder: &Path, screen: Screen) -> anyhow::Result<Option<Browser>> {
    let file = page(folder).await?;
    let Some(browser) = Browser::start(screen).await? else {
        skipped::note("the report's page in a browser, for want of chromium and chromedriver");
        return Ok(None);
    };
    browser.client.goto(&format!("file://{}", file.display())).await?;
    Ok(Some(browser))
}

async fn evaluate(browser: &Browser, script: &str) -> anyhow::Result<Value> {
    Ok(browser.client.execute(script, Vec::new()).await?)
}

/// With everything unfolded, nothing is wider than the screen.
async fn check_fits(browser: &Browser) -> anyhow::Result<()> {
    let widths = "document.querySelectorAll('details').forEach(details => details.open = true);
        const page = document.documentElement;
        return [page.scrollWidth <= page.clientWidth, page.scrollWidth, page.clientWidth];";
    let found = evaluate(browser, widths).await?;
    ensure!(found[0] == true, "the page is {} wide, the screen {}", found[1], found[2]);
    Ok(())
}

/// Text from the corpus can be read as it was written, and has become neither an element nor an order.
async fn check_hostile_text_is_only_shown(browser: &Browser) -> anyhow::Result<()> {
    let found = evaluate(
        browser,
        "return [window.__pwned === undefined, document.querySelectorAll('main script, main img, main [onload]').length,
            document.body.innerText, document.title];",
    )
    .await?;
    ensure!(found[0] == true, "a script of the corpus ran");
    ensure!(found[1] == 0, "{} elements of the corpus are in the page", found[1]);
    let text = found[2].as_str().unwrap_or_default();
    for shown in ["<script>window.__pwned = 1</script>", "⟨ESC⟩[2J", "⟨U+202E⟩", "ניווט", "'><svg onload="]
    {
        ensure!(text.contains(shown), "{shown} is not shown");
    }
    ensure!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{2067}', '\0']), "a hidden character is in the page");
    Ok(())
}

/// Were markup of the corpus to slip through, the page's policy would still keep its script from running.
async fn check_policy_stops_foreign_scripts(browser: &Browser) -> anyhow::Result<()> {
    let script = "const script = document.createElement('script');
        script.textContent = 'window.__pwned = 1';
        document.body.append(script);
        const image = document.createElement('p');
        image.innerHTML = '<img src=x onerror=\"window.__pwned = 2\">';
        document.body.append(image);
        return window.__pwned === undefined;";
    ensure!(evaluate(browser, script).await? == true, "an inline script ran");
    Ok(())
}

/// Sorted by a column of the table, in the page's own order of rows.
async fn column(browser: &Browser, name: &str) -> anyhow::Result<Vec<f64>> {
    let script = format!(
        "return [...document.querySelectorAll('#topic-table [data-name={name}]')].map(cell => Number(cell.dataset.value));"
    );
    Ok(serde_json::from_value(evaluate(browser, &script).await?)?)
}

async fn check_search(browser: &Browser) -> anyhow::Result<()> {
    let search = browser.client.find(Locator::Css("#topic-search")).await?;
    let shown =
        "return [[...document.querySelectorAll('#topic-table tbody tr')].filter(row => row.checkVisibility()).length,
        document.getElementById('topic-count').textContent];";
    let all = hostile_run::NAMES.len();
    ensure!(evaluate(browser, shown).await? == json!([all, format!("{all} topics")]));
    search.send_keys("SERVO visual").await?;
    ensure!(evaluate(browser, shown).await? == json!([1, format!("1 of {all} topics")]));
    search.clear().await?;
    search.send_keys("<script>").await?;
    ensure!(evaluate(browser, shown).await? == json!([1, format!("1 of {all} topics")]));
    search.clear().await?;
    // Clearing by WebDriver tells the page of a change, not of an input.
    search.send_keys(" ").await?;
    ensure!(evaluate(browser, shown).await? == json!([all, format!("{all} topics")]));
    Ok(())
}

#[tokio::test]
async fn the_page_works_at_a_desk() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(browser) = open(folder.path(), Screen::Desk).await? else { return Ok(()) };
    check_fits(&browser).await?;
    check_hostile_text_is_only_shown(&browser).await?;
    check_search(&browser).await?;
    ensure!(column(&browser, "documents").await?.is_sorted_by(|a, b| a >= b), "not the largest topic first");
    let heading = browser.client.find(Locator::XPath("//*[@id='topic-table']//thead//button[text()='fade']")).await?;
    heading.click().await?;
    ensure!(column(&browser, "fade").await?.is_sorted_by(|a, b| a >= b), "a click does not sort");
    heading.send_keys("\u{e007}").await?;
    ensure!(column(&browser, "fade").await?.is_sorted(), "the enter key does not turn the order around");
    let sorted = browser.client.find(Locator::Css("#topic-table [aria-sort]")).await?;
    ensure!(
        sorted.text().await?.starts_with("fade") && sorted.attr("aria-sort").await?.as_deref() == Some("ascending")
    );
    browser.check_silence().await?;
    check_policy_stops_foreign_scripts(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn the_page_works_on_a_phone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(browser) = open(folder.path(), Screen::Phone).await? else { return Ok(()) };
    ensure!(evaluate(&browser, "return window.innerWidth").await? == 390);
    check_fits(&browser).await?;
    check_hostile_text_is_only_shown(&browser).await?;
    check_search(&browser).await?;
    let order = browser.client.find(Locator::Css("#topic-order")).await?;
    order.select_by_label("fade, least first").await?;
    ensure!(column(&browser, "fade").await?.is_sorted(), "the order chosen is not the order shown");
    browser.check_silence().await?;
    browser.close().await
}

#[tokio::test]
async fn the_page_is_dark_where_that_is_preferred() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(browser) = open(folder.path(), Screen::Desk).await? else { return Ok(()) };
    let paper = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0];";
    let light = evaluate(&browser, paper).await?.as_u64().context("a colour")?;
    browser.prefer("dark").await?;
    let dark = evaluate(&browser, paper).await?.as_u64().context("a colour")?;
    ensure!(light > 200 && dark < 60, "the paper is {light} of 255 by day, {dark} by night");
    browser.close().await
}
