//! Pages of Markdown as HTML that needs nothing else: one file a page, with the list of all beside each.

use std::fmt::Write as _;
use std::path::Path;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};

use super::page::Page;

const STYLE: &str = "body{margin:0;font:16px/1.55 system-ui,sans-serif;color:#1c2833;background:#fff;display:flex}\
nav{width:17rem;flex:none;height:100vh;overflow:auto;position:sticky;top:0;padding:1rem;box-sizing:border-box;background:#f4f6f7;font-size:14px}\
nav ul{list-style:none;padding:0;margin:0}nav li{margin:.15rem 0}nav a{color:#1c2833;text-decoration:none}nav a[aria-current]{font-weight:600}\
main{max-width:52rem;padding:1rem 2.5rem 5rem;min-width:0}pre{background:#f4f6f7;padding:.75rem 1rem;overflow:auto;border-radius:4px}\
code{font:14px/1.45 ui-monospace,monospace}table{border-collapse:collapse}td,th{border:1px solid #d5dbdb;padding:.25rem .6rem;text-align:left}\
a{color:#1a5276}@media(max-width:48rem){body{display:block}nav{width:auto;height:auto;position:static}}\
@media(prefers-color-scheme:dark){body{background:#17202a;color:#eaeded}nav,pre{background:#212f3d}nav a{color:#eaeded}a{color:#85c1e9}td,th{border-color:#34495e}}";

/// A page as a document of its own.
pub(super) fn document(page: &Page, all: &[Page]) -> String {
    let up = "../".repeat(page.path.matches('/').count());
    let mut nav = String::new();
    for other in all {
        let current = if other.path == page.path {
            " aria-current=\"page\""
        } else {
            ""
        };
        let _ = writeln!(
            nav,
            "<li><a href=\"{up}{}\"{current}>{}</a></li>",
            file(&other.path),
            escaped(other.title())
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{} · dashictl</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<nav><ul>\n{nav}</ul></nav>\n<main>\n{}</main>\n</body>\n</html>\n",
        escaped(page.title()),
        body(&page.text)
    )
}

/// The file of a page.
pub(super) fn file(path: &str) -> String {
    path.trim_end_matches(".md").to_owned() + ".html"
}

/// The text as HTML, with links between pages that lead to their HTML.
fn body(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Start(Tag::Link {
            link_type: LinkType::Inline,
            dest_url,
            title,
            id,
        }) if is_page(&dest_url) => {
            let (path, place) = dest_url
                .split_once('#')
                .map_or((&*dest_url, String::new()), |(path, place)| {
                    (path, format!("#{place}"))
                });
            let dest_url = (file(path) + &place).into();
            Event::Start(Tag::Link {
                link_type: LinkType::Inline,
                dest_url,
                title,
                id,
            })
        }
        // What documentation says is text.
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    html
}

fn is_page(url: &str) -> bool {
    let path = url.split('#').next().unwrap_or(url);
    Path::new(path).extension().is_some_and(|end| end == "md") && !path.contains("://")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_pages_lead_to_their_html_and_markup_in_text_stays_text() {
        let html = body("[a](stac.md#items) [b](https://x.org/a.md) <b>x</b> `<i>`");
        assert!(html.contains("href=\"stac.html#items\""), "{html}");
        assert!(html.contains("href=\"https://x.org/a.md\""), "{html}");
        assert!(
            html.contains("&lt;b&gt;x") && html.contains("&lt;i&gt;"),
            "{html}"
        );
    }
}
