//! Every link of every page leads to a file and a heading that are there, and every page is reached from the first one.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::docs::page::{Page, at, first_pages, pages, top};

/// Where a link leads: a path in the repository, and a heading in it.
fn target(page: &Page, link: &str) -> (PathBuf, Option<String>) {
    let (path, heading) = match link.split_once('#') {
        Some((path, heading)) => (path, Some(heading.to_owned())),
        None => (link, None),
    };
    if path.is_empty() {
        return (page.path.clone(), heading);
    }
    let mut whole = page.path.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir if whole.pop() => {}
            part => whole.push(part),
        }
    }
    (whole, heading)
}

fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

/// The links of a page that lead nowhere.
fn broken(page: &Page) -> Vec<String> {
    let mut broken = Vec::new();
    for (line, link) in page.links() {
        let place = at(page, line);
        if is_elsewhere(&link) {
            if Url::parse(&link).is_err() {
                broken.push(format!("{place}: {link} is no address"));
            }
            continue;
        }
        let (path, heading) = target(page, &link);
        if path != page.path && !top().join(&path).exists() {
            broken.push(format!("{place}: {link}: there is no {}", path.display()));
        } else if let Some(heading) = heading {
            let anchors = if path == page.path { page.anchors() } else { Page::read(&path).anchors() };
            if !anchors.contains(&heading) {
                broken.push(format!("{place}: {link}: no such heading; there are {anchors:?}"));
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages();
    let broken: Vec<String> = pages.iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let links: usize = pages.iter().map(|page| page.links().len()).sum();
    assert!(pages.len() > 20 && links > 100, "only {links} links in {} pages are found", pages.len());
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    for (text, expected) in [
        ("[a](nowhere.md)", "there is no docs/nowhere.md"),
        ("![a](nowhere.png)", "there is no docs/nowhere.png"),
        ("[a](../README.md#nowhere)", "no such heading"),
        ("[a](#nowhere)", "no such heading"),
        ("[a](../../README.md)", "there is no"),
        ("[a](https://)", "is no address"),
    ] {
        let found = broken(&Page::of("docs/a.md", text));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    let sound = "# Here\n[a](#here) [b](../README.md) [c](https://example.com) ![d](message.png)";
    assert_eq!(broken(&Page::of("docs/a.md", sound)), Vec::<String>::new());
}

#[test]
fn every_page_is_reached_from_the_first_one() {
    let mut reached = BTreeSet::new();
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(path) = next.pop() {
        if path.extension().is_some_and(|extension| extension == "md") && reached.insert(path.clone()) {
            let page = Page::read(path);
            let links = page.links().into_iter().filter(|(_, link)| !is_elsewhere(link));
            next.extend(links.map(|(_, link)| target(&page, &link).0));
        }
    }
    let lost: Vec<PathBuf> = pages().into_iter().map(|page| page.path).filter(|path| !reached.contains(path)).collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

#[test]
fn the_first_page_is_short_in_every_language() {
    for page in first_pages() {
        let lines = page.text.lines().count();
        assert!(lines <= 200, "{} has {lines} lines", page.path.display());
    }
}
