//! What of a page is made of the program's own definitions: it stands between two comments, and is held and written here.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it docs::` writes it anew.

use crate::docs::page::{Page, top};

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

/// The page with every generated block as it should be, and the names of the blocks that it has.
fn renewed(text: &str, make: &dyn Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let (mut out, mut names, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, block)) = rest.split_once(BEGIN) {
        let (name, block) = block.split_once(" -->").expect("the comment ends");
        let (_, after) = block.split_once(END).unwrap_or_else(|| panic!("the block {name} has no end"));
        let made = make(name).unwrap_or_else(|| panic!("there is nothing of the name {name}"));
        out += &format!("{before}{BEGIN}{name} -->\n\n{}\n\n{END}", made.trim());
        names.push(name.to_owned());
        rest = after;
    }
    (out + rest, names)
}

/// Holds the blocks of a page: each of these names has one, and each is fresh.
pub fn held(path: &str, expected: &[String], make: &dyn Fn(&str) -> Option<String>) {
    let page = Page::read(path);
    let (fresh, names) = renewed(&page.text, make);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(top().join(path), &fresh).unwrap();
    }
    let missing: Vec<&String> = expected.iter().filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{path} has no block for {missing:?}");
    assert!(Page::read(path).text == fresh, "{path} is stale: UPDATE_GOLDEN=1 writes it anew");
}

/// A text as it stands in a cell of a table.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn a_stale_block_is_renewed_and_what_stands_around_it_stays() {
    let (text, names) = renewed("a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n", &|_| Some("new\n".to_owned()));
    assert_eq!(text, "a\n<!-- generated: x -->\n\nnew\n\n<!-- end -->\nb\n");
    assert_eq!(names, ["x"]);
}
