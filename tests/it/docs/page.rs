//! The pages, and what stands in one: links, headings, code within a line, and blocks of code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page of the repository, by its path in it.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// A block of code, and what its first line is called.
pub struct Fence {
    pub line: usize,
    pub language: String,
    pub text: String,
}

pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page: those at the top, and all of `docs/` in both languages.
pub fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new(), PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(top().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(Page::read(path));
            } else if folder.starts_with("docs") && top().join(&path).is_dir() {
                folders.push(path);
            }
        }
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

/// The first page in every language that has one.
pub fn first_pages() -> Vec<Page> {
    let is_first = |page: &Page| page.path.to_str().is_some_and(|path| path.starts_with("README."));
    let first: Vec<Page> = pages().into_iter().filter(is_first).collect();
    assert!(first.len() >= 2, "there are two at least");
    first
}

/// What a fault of a page begins with.
pub fn at(page: &Page, line: usize) -> String {
    format!("{}:{line}", page.path.display())
}

impl Page {
    pub fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(top().join(&path)).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self { path, text }
    }

    pub fn of(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.to_owned() }
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }

    fn line(&self, range: &Range<usize>) -> usize {
        self.text[..range.start].matches('\n').count() + 1
    }

    /// Where links and pictures lead.
    pub fn links(&self) -> Vec<(usize, String)> {
        let leads = |(event, range): (Event<'_>, Range<usize>)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some((self.line(&range), dest_url.into_string()))
            }
            _ => None,
        };
        self.events().filter_map(leads).collect()
    }

    /// What stands between back-quotes within a line.
    pub fn inline(&self) -> Vec<(usize, String)> {
        let code = |(event, range): (Event<'_>, Range<usize>)| match event {
            Event::Code(code) => Some((self.line(&range), code.into_string())),
            _ => None,
        };
        self.events().filter_map(code).collect()
    }

    pub fn fences(&self) -> Vec<Fence> {
        let mut fences: Vec<Fence> = Vec::new();
        let mut within = false;
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    fences.push(Fence { line: self.line(&range), language, text: String::new() });
                    within = true;
                }
                Event::End(TagEnd::CodeBlock) => within = false,
                Event::Text(text) if within => fences.last_mut().expect("a block begun").text += &text,
                _ => {}
            }
        }
        fences
    }

    /// The names by which a link can lead to a heading, as GitHub makes them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = BTreeSet::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        *heading += &text;
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let name = anchor(&heading.take().unwrap_or_default());
                    let count = known.entry(name.clone()).and_modify(|count| *count += 1).or_default();
                    anchors.insert(if *count == 0 { name } else { format!("{name}-{count}") });
                }
                _ => {}
            }
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter.is_alphanumeric().then_some(letter),
    });
    kept.collect()
}

#[test]
fn a_page_is_taken_apart_with_the_lines_of_its_parts() {
    let page =
        Page::of("a.md", "# One `two`, three?\n\nSee [it](b.md#c) and `x = 1`.\n\n```sh\nls\n```\n\n# One two three\n");
    assert_eq!(page.links(), [(3, "b.md#c".to_owned())]);
    assert_eq!(page.inline(), [(1, "two".to_owned()), (3, "x = 1".to_owned())]);
    assert_eq!(page.anchors(), ["one-two-three".to_owned(), "one-two-three-1".to_owned()].into());
    let fences = page.fences();
    assert_eq!(
        (fences.len(), fences[0].line, fences[0].language.as_str(), fences[0].text.as_str()),
        (1, 5, "sh", "ls\n")
    );
}
