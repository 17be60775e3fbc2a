//! Within a room no module needs one that needs it: each can be read after those below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::source::Source;
use crate::tidy::{ROOMS, read, rust_files};

/// Whose modules still need each other.
const EXEMPT: &str = "store";

/// Modules that need each other for a reason; none today.
const ALLOWED: [(&str, &str); 0] = [];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The modules of a room, its own among them, each a file, with their code without tests.
fn modules(room: &str) -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files("src").into_iter().filter_map(|path| {
        let below = path.strip_prefix(&top).expect("a file of src").with_extension("");
        let names: Vec<String> = below.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let module = names.join("::").trim_end_matches("::mod").to_owned();
        let code = Source::of(&read(&path)).code;
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        let is_of_room = module == room || module.starts_with(&format!("{room}::"));
        is_of_room.then_some((module, code))
    });
    files.collect()
}

/// The paths below `crate` that begin here: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':');
    let end = text.find(|letter: char| !is_part(letter)).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    if !head.ends_with("::") || !rest.starts_with('{') {
        return vec![head.trim_end_matches(':').to_owned()];
    }
    let (mut depth, mut items, mut begin) = (0, Vec::new(), 1);
    for (at, letter) in rest.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (letter == ',' && depth == 1) || depth == 0 {
            items.push(rest[begin..at].trim());
            begin = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    let named = items.into_iter().filter(|item| !item.is_empty());
    named.flat_map(paths).map(|path| format!("{head}{}", path.trim_start_matches("self"))).collect()
}

/// Which modules each module names: in `use` lines and in the midst of code, or as `child::name` for one of its own.
fn edges(modules: &BTreeMap<String, String>) -> Edges {
    let module_of = |path: &str| {
        let steps: Vec<&str> = path.split("::").collect();
        (1..=steps.len()).rev().map(|length| steps[..length].join("::")).find(|name| modules.contains_key(name))
    };
    let needs = |(name, code): (&String, &String)| {
        let named = code.match_indices("crate::").flat_map(|(at, prefix)| paths(&code[at + prefix.len()..]));
        let children = modules.keys().filter(|child| {
            let own = child.strip_prefix(&format!("{name}::"));
            own.is_some_and(|own| !own.contains("::") && names_child(code, own))
        });
        let all = named.filter_map(|path| module_of(&path)).chain(children.cloned());
        (name.clone(), all.filter(|other| other != name).collect())
    };
    modules.iter().map(needs).collect()
}

/// Whether code names something of a module that lies beside it, as in `child::name`.
fn names_child(code: &str, child: &str) -> bool {
    code.match_indices(&format!("{child}::")).any(|(at, _)| {
        !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':' | '.'))
    })
}

/// The same between the folders and files right below the room.
fn of_folders(edges: &Edges) -> Edges {
    let folder = |module: &String| module.split("::").take(2).collect::<Vec<_>>().join("::");
    let mut folders = Edges::new();
    for (module, needed) in edges {
        let others = needed.iter().map(folder).filter(|other| *other != folder(module));
        folders.entry(folder(module)).or_default().extend(others);
    }
    folders
}

/// Those that need each other: what is left when all are taken away that need none of those left, or that none of them needs.
fn circles(edges: &Edges) -> BTreeSet<String> {
    let mut left: BTreeSet<String> = edges.keys().cloned().collect();
    loop {
        let needs_some = |name: &String| edges[name].iter().any(|other| left.contains(other));
        let is_needed = |name: &String| left.iter().any(|other| edges[other].contains(name));
        let next: BTreeSet<String> = left.iter().filter(|name| needs_some(name) && is_needed(name)).cloned().collect();
        if next.len() == left.len() {
            return left;
        }
        left = next;
    }
}

#[test]
fn no_module_of_a_room_needs_one_that_needs_it() {
    let mut found = Vec::new();
    for (room, _) in ROOMS.into_iter().filter(|(room, _)| *room != EXEMPT) {
        let mut edges = edges(&modules(room));
        for (module, other) in ALLOWED {
            if let Some(needed) = edges.get_mut(module) {
                needed.remove(other);
            }
        }
        for edges in [of_folders(&edges), edges] {
            let circles = circles(&edges);
            found.extend(circles.iter().map(|name| format!("{name} -> {:?}", &edges[name] & &circles)));
        }
    }
    assert!(found.is_empty(), "need each other:\n{}", found.join("\n"));
}

#[test]
fn the_rule_sees_every_way_to_name_a_module() {
    assert_eq!(paths("a::{self, b, c::{D, e::f}};"), ["a::", "a::b", "a::c::D", "a::c::e::f"]);
    assert_eq!(paths("a::b::f(crate::c)"), ["a::b::f"]);
    let modules = |texts: &[(&str, &str)]| {
        texts.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let of = |texts: &[(&str, &str)]| circles(&edges(&modules(texts))).into_iter().collect::<Vec<_>>();
    let below = ("r::d", "fn f() {}");
    assert_eq!(of(&[("r::a", "use crate::r::{b, d};"), ("r::b", "use crate::r::d::f;"), below]), [""; 0]);
    assert_eq!(of(&[("r::a", "use crate::r::{b, d};"), ("r::b", "crate::r::a::f()"), below]), ["r::a", "r::b"]);
    assert_eq!(of(&[("r::a", "mod b; b::f()"), ("r::a::b", "use crate::r::a::X;")]), ["r::a", "r::a::b"]);
    assert_eq!(of(&[("r::a", "mod b; sub::f()"), ("r::a::b", "use crate::r::a::X;")]), [""; 0]);
    assert_eq!(of(&[("r::a", "mod b; x.b::<T>()"), ("r::a::b", "use crate::r::a::X;")]), [""; 0]);
    let far =
        [("r::a::x", "use crate::r::b::y;"), ("r::b::y", ""), ("r::b::z", "use crate::r::a::w;"), ("r::a::w", "")];
    assert_eq!(of(&far), [""; 0]);
    assert_eq!(circles(&of_folders(&edges(&modules(&far)))).len(), 2, "but the folders need each other");
}
