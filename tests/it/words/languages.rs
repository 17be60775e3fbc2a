//! Every language beside English, kind by kind: the same files, words, values and facts, its own plural forms, no English left,
//! and letters for every word. Each reason is shown once by a language that has that fault.

mod compare;

use std::collections::BTreeSet;

use orderbell::domain::language::folders::{LAST_RESORT, Sources, built_in_folders, built_in_sources};
use orderbell::domain::template::Templates;

use crate::support::snapshots::Snapshots;
use crate::words::golden::LANGUAGES;
use crate::words::languages::compare::differences;
use crate::words::outline::outline;
use crate::words::{digests, reports, samples};

/// The files of a language by their names.
fn files(language: &str) -> Sources {
    let sources = built_in_sources(&[language.to_owned()]);
    sources.into_iter().map(|(path, text)| (path[language.len() + 1..].to_owned(), text)).collect()
}

#[test]
fn every_language_says_what_english_says() {
    for language in built_in_folders().iter().filter(|language| *language != LAST_RESORT) {
        let found = differences(language, &files(language));
        assert!(found.is_empty(), "{language}:\n{}", found.join("\n"));
    }
}

/// What is said of a language, and the fault in its files that is the reason: what stood there, and what stands there now.
const FAULTS: [(&str, &str, &str, &str); 15] = [
    (
        "label.shop is missing",
        "words.toml",
        "shop = \"المتجر\"\nnumber = \"رقم الطلب\"\ntotal",
        "number = \"رقم الطلب\"\ntotal",
    ),
    ("label.spare is not in English", "words.toml", "[label]", "[label]\nspare = \"زائد\""),
    ("label.nameless is left in English", "words.toml", "(اسم غير مقروء)", "(name unreadable)"),
    (
        "remedy.webhook.gone.cure is left in English",
        "remedies.toml",
        "اضبط `url` على مكانه الحالي",
        "set `url` to where it is now",
    ),
    (
        "order.out_of_stock.md has English",
        "order.out_of_stock.md",
        "طُلب ولم يبقَ",
        "It is ordered, but there is none left. طُلب ولم يبقَ",
    ),
    ("unreadable.note has other places", "words.toml", "{places}", ""),
    ("plural.order.other has other places", "words.toml", "other = \"{count} طلب\" }", "other = \"طلب\" }"),
    ("plural.shop.few is missing", "words.toml", "few = \"{count} متاجر\", ", ""),
    (
        "plural.piece.some is no form of this language",
        "words.toml",
        "piece = { other",
        "piece = { some = \"{count}\", other",
    ),
    (
        "order.cancelled.md lacks data.cancel_type",
        "order.cancelled.md",
        "{% if data.cancel_type is not none %}\n- **نوع الإلغاء:** {{ data.cancel_type | word(\"cancel_type\") }}\n{% endif %}\n",
        "",
    ),
    (
        "order.placed.md adds order.state",
        "order.placed.md",
        "{{ details.say() }}",
        "{{ details.say() }}{% if false %}{{ order.state }}{% endif %}",
    ),
    (
        "does not say SAR 46.00",
        "_order.md",
        "{{ bill.total | money }}",
        "{% if false %}{{ bill.total | money }}{% endif %}",
    ),
    (
        "does not say 07:20",
        "_placed.md",
        "متوقّع {{ data.expected_at | when }}",
        "{% if false %}{{ data.expected_at | when }}{% endif %}",
    ),
    ("does not say Lemon tea", "_order.md", "{{ line.name }}", "{% if false %}{{ line.name }}{% endif %}"),
    ("has no letter 'ש'", "words.toml", "dec = \"ديسمبر\"", "dec = \"שש\""),
];

#[test]
fn a_language_with_a_fault_is_found_out_for_each_reason() {
    let change = |files: &mut Sources, file: &str, from: &str, to: &str| {
        let text = files.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        *text = text.replacen(from, to, 1);
    };
    let has = |files: &Sources, said: &str| {
        let found = differences("ar", files);
        assert!(found.iter().any(|found| found.contains(said)), "{said} is not among:\n{}", found.join("\n"));
    };
    let mut faulty = files("ar");
    FAULTS.iter().for_each(|(_, file, from, to)| change(&mut faulty, file, from, to));
    let found = differences("ar", &faulty);
    for (said, ..) in FAULTS {
        assert!(found.iter().any(|found| found.contains(said)), "{said} is not among:\n{}", found.join("\n"));
    }
    let mut without = files("ar");
    without.remove("order.paid.md");
    has(&without, "order.paid.md is missing");
    for (said, file, from, to) in [
        ("words.toml cannot be read", "words.toml", "[label]", "[label"),
        ("test.md cannot be rendered", "test.md", "{{ channel }}", "{{ channel | nothing }}"),
    ] {
        let mut broken = files("ar");
        change(&mut broken, file, from, to);
        has(&broken, said);
    }
}

/// Isolates as marks that can be seen.
fn visible(text: &str) -> String {
    text.replace('\u{2068}', "⟦").replace('\u{2067}', "⟪").replace('\u{2069}', "⟧")
}

#[test]
fn each_kind_reads_as_agreed_in_the_further_languages() {
    let templates = Templates::built_in().unwrap().strict();
    let further = built_in_folders().iter().filter(|language| !LANGUAGES.contains(&language.as_str()));
    for language in further {
        let mut snapshots = Snapshots::of(&format!("languages/{language}"));
        let mut kinds = BTreeSet::new();
        for sample in samples::all() {
            if kinds.insert(sample.event.kind.to_string()) {
                let composed = templates.compose(&sample.view(language, &samples::riyadh())).unwrap();
                let text = format!("{}\n\n{}\n", composed.title, outline(&composed.document));
                snapshots.assert(&sample.event.kind.to_string(), &visible(&text));
            }
        }
        for (name, composed) in
            [("digest", digests::mixed(&templates, language)), ("report", reports::day(&templates, language))]
        {
            let text = format!("{}\n\n{}\n", composed.title, outline(&composed.document));
            snapshots.assert(name, &visible(&text));
        }
        snapshots.end();
    }
}
