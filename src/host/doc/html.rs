//! Pages of Markdown as HTML that needs nothing else: one file a page, with the list of all beside each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::page::Page;
use crate::config::KEYS;

const STYLE: &str = "body{margin:0;font:16px/1.55 system-ui,sans-serif;color:#1c2833;background:#fff;display:flex}\
nav{width:17rem;flex:none;height:100vh;overflow:auto;position:sticky;top:0;padding:1rem;box-sizing:border-box;background:#f4f6f7;font-size:14px}\
nav ul{list-style:none;padding:0;margin:0 0 .5rem}nav li{margin:.15rem 0}nav a{color:#1c2833;text-decoration:none}nav a[aria-current]{font-weight:600}\
nav summary{cursor:pointer;font-weight:600;margin:.3rem 0}nav input{position:sticky;top:0;width:100%;box-sizing:border-box;padding:.35rem;margin-bottom:.5rem;font:inherit}\
main{max-width:52rem;padding:1rem 2.5rem 5rem;min-width:0}pre{background:#f4f6f7;padding:.75rem 1rem;overflow:auto;border-radius:4px}\
code{font:14px/1.45 ui-monospace,monospace}h1 code,h2 code{font-size:inherit}table{border-collapse:collapse;display:block;overflow:auto}\
td,th{border:1px solid #d5dbdb;padding:.25rem .6rem;text-align:left}td code{white-space:nowrap}a{color:#1a5276}\
@media(max-width:48rem){body{display:block}nav{width:auto;height:auto;max-height:40vh;position:static}main{padding:1rem}}\
@media(prefers-color-scheme:dark){body{background:#17202a;color:#eaeded}nav,pre{background:#212f3d}nav a{color:#eaeded}a{color:#85c1e9}td,th{border-color:#34495e}}";

/// The search: what is typed is looked for in the index, which is a script so that it can be read from files as well.
const SEARCH: &str = "const box=document.querySelector('nav input'),list=document.querySelector('nav ul.found');\
box.addEventListener('input',()=>{list.textContent='';const words=box.value.trim().toLowerCase().split(/\\s+/);\
if(words.join('').length<2)return;const say=(text,url)=>{const item=document.createElement('li');if(url===undefined)item.textContent=text;\
else{const link=document.createElement('a');link.href=UP+url;link.textContent=text;item.append(link);}list.append(item);};\
const has=(text)=>words.every((word)=>text.includes(word)),named=[],about=[];for(const [name,url,text] of INDEX){const low=name.toLowerCase();\
if(has(low))named.push([name,url]);else if(has(low+' '+text.toLowerCase()))about.push([name,url]);}const all=named.concat(about);\
for(const [name,url] of all.slice(0,30))say(name,url);if(all.length>30)say('and '+(all.length-30)+' more: type another word');\
if(all.length===0)say('nothing has '+(words.length>1?'all of these words':'this word'));});\
const here=document.querySelector('nav a[aria-current]');if(here)here.closest('nav').scrollTop=here.offsetTop-200;";

/// The file of the index of the search.
pub(super) const INDEX: &str = "search.js";

/// What tells that a folder holds such pages.
pub(super) const MARK: &str = "<meta name=\"generator\" content=\"dashictl\">";

/// The parts of the list of pages, by what their paths begin with.
const PARTS: [(&str, &str); 4] = [
    ("cookbook/", "Cookbook"),
    ("commands/", "Commands"),
    ("reference/", "Reference"),
    ("", "The book"),
];

/// A page as a document of its own.
pub(super) fn document(page: &Page, all: &[Page], places: &Places) -> String {
    let up = "../".repeat(page.path.matches('/').count());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{MARK}\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{} · dashictl</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<nav><input type=\"search\" placeholder=\"Search\" aria-label=\"Search\">\n\
         <ul class=\"found\"></ul>\n{}</nav>\n<main>\n{}</main>\n<script src=\"{up}{INDEX}\"></script>\n<script>const UP='{up}';{SEARCH}</script>\n</body>\n</html>\n",
        escaped(page.title()),
        navigation(page, all, &up),
        body(&page.text, &up, places)
    )
}

/// The list of all pages, in parts of which the page's own is open.
fn navigation(page: &Page, all: &[Page], up: &str) -> String {
    let part_of = |path: &str| PARTS.iter().position(|(start, _)| path.starts_with(start));
    let mut nav = String::new();
    for part in [3, 0, 1, 2] {
        let own = all
            .iter()
            .filter(|other| part_of(&other.path) == Some(part));
        let is_open = part == 3 || part_of(&page.path) == Some(part);
        let open = if is_open { " open" } else { "" };
        let _ = writeln!(
            nav,
            "<details{open}><summary>{}</summary><ul>",
            PARTS[part].1
        );
        for other in own {
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
        nav.push_str("</ul></details>\n");
    }
    nav
}

/// Where each function and library is explained: a page and a place in it.
pub(super) type Places = BTreeMap<String, String>;

/// The places of all that the pages explain below a heading of its name.
pub(super) fn places(all: &[Page]) -> Places {
    let mut places = Places::new();
    for page in all
        .iter()
        .filter(|page| page.path.starts_with("reference/"))
    {
        let url = file(&page.path);
        places.insert(page.title().replace('`', ""), url.clone());
        for title in sections(page) {
            places
                .entry(title.to_owned())
                .or_insert_with(|| format!("{url}#{}", place(title)));
        }
    }
    places
}

/// The index of the search: name, address and text of each page and each function.
pub(super) fn index(all: &[Page], places: &Places) -> String {
    let row = |name: &str, url: &str, text: &str| serde_json::json!([name, url, text]).to_string();
    let pages = all.iter().map(|page| {
        let title = page.title().replace('`', "");
        // What every command has would be found on every page of one.
        let own = page
            .text
            .split("Global options:")
            .next()
            .unwrap_or_default();
        let words: Vec<&str> = own.split_whitespace().collect();
        row(&title, &file(&page.path), &words.join(" "))
    });
    let of_the_book = all.iter().flat_map(|page| {
        let is_book = !["reference/", "commands/"]
            .iter()
            .any(|part| page.path.starts_with(part));
        sections(page).filter(move |_| is_book).map(|title| {
            let name = format!("{}: {title}", page.title()).replace('`', "");
            row(&name, &format!("{}#{}", file(&page.path), place(title)), "")
        })
    });
    let settings = KEYS
        .iter()
        .filter_map(|key| Some(row(key.path, places.get("Settings")?, key.about)));
    let functions = places
        .iter()
        .filter(|(_, url)| url.contains('#'))
        .map(|(name, url)| row(name, url, ""));
    let rows: Vec<String> = functions
        .chain(settings)
        .chain(of_the_book)
        .chain(pages)
        .collect();
    format!("const INDEX=[\n{}\n];\n", rows.join(",\n"))
}

/// The titles of a page's sections.
fn sections(page: &Page) -> impl Iterator<Item = &str> {
    let lines = page.text.lines();
    lines.filter_map(|line| line.strip_prefix("## "))
}

/// The name of a place in a page: what of its heading can stand in an address.
fn place(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().map(|letter| {
        if letter.is_alphanumeric() {
            letter
        } else {
            '-'
        }
    });
    kept.collect::<String>().trim_matches('-').to_owned()
}

/// The file of a page.
pub(super) fn file(path: &str) -> String {
    path.trim_end_matches(".md").to_owned() + ".html"
}

/// The text as HTML, with links between pages that lead to their HTML.
fn body(text: &str, up: &str, places: &Places) -> String {
    let mut is_heading = false;
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    let titles = titles(text);
    let mut titles = titles.iter();
    let mut is_link = false;
    let events = parser.map(move |event| match event {
        Event::Start(Tag::Heading { level, .. }) => {
            let id = place(titles.next().map_or("", String::as_str));
            is_heading = true;
            Event::Start(Tag::Heading {
                level,
                id: Some(id.into()),
                classes: Vec::new(),
                attrs: Vec::new(),
            })
        }
        Event::End(TagEnd::Heading(level)) => {
            is_heading = false;
            Event::End(TagEnd::Heading(level))
        }
        // A name that is explained leads there.
        Event::Code(code) if !is_heading && !is_link => {
            let name = code.split('(').next().unwrap_or_default();
            match places.get(name) {
                Some(url) => Event::Html(
                    format!("<a href=\"{up}{url}\"><code>{}</code></a>", escaped(&code)).into(),
                ),
                None => Event::Code(code),
            }
        }
        Event::End(TagEnd::Link) => {
            is_link = false;
            Event::End(TagEnd::Link)
        }
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            is_link = true;
            if !is_page(&dest_url) {
                return Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                });
            }
            let (path, place) = dest_url
                .split_once('#')
                .map_or((&*dest_url, String::new()), |(path, place)| {
                    (path, format!("#{place}"))
                });
            let dest_url = (file(path) + &place).into();
            Event::Start(Tag::Link {
                link_type,
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

/// The headings of a text, as they are written.
fn titles(text: &str) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    let mut is_heading = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                is_heading = true;
                titles.push(String::new());
            }
            Event::End(TagEnd::Heading(_)) => is_heading = false,
            Event::Text(part) | Event::Code(part) if is_heading => {
                if let Some(title) = titles.last_mut() {
                    title.push_str(&part);
                }
            }
            _ => {}
        }
    }
    titles
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
        let places = Places::from([(
            "s3::list".to_owned(),
            "reference/s3.html#s3--list".to_owned(),
        )]);
        let text = "## s3::list\n\n[a](stac.md#items) [b](https://x.org/a.md) <b>x</b> `<i>` `s3::list(x)`";
        let html = body(text, "../", &places);
        assert!(html.contains("<h2 id=\"s3--list\">"), "{html}");
        assert!(
            html.contains("<a href=\"../reference/s3.html#s3--list\"><code>s3::list(x)</code></a>"),
            "{html}"
        );
        assert!(html.contains("href=\"stac.html#items\""), "{html}");
        assert!(html.contains("href=\"https://x.org/a.md\""), "{html}");
        assert!(
            html.contains("&lt;b&gt;x") && html.contains("&lt;i&gt;"),
            "{html}"
        );
    }
}
