//! Reading Markdown: what becomes which block, and that nothing is lost.

use orderbell::domain::document::read::read;
use orderbell::domain::document::{Block, Colon, Document, Field, Inline, Tone};

fn text(text: &str) -> Inline {
    Inline::Text(text.to_owned())
}

fn lines(markdown: &str) -> Vec<String> {
    read(markdown).plain_text().lines().map(str::to_owned).collect()
}

#[test]
fn the_lines_of_an_order_and_the_facts_about_it_are_distinguished() {
    let document = read("# T\n\n- **2 ×** tea\n- **Shop:** Noodles\n- **合计：** SAR 1\n");
    let items = vec![vec![Inline::Strong(vec![text("2 ×")]), text(" tea")]];
    let field = |key: &str, value: &str, colon| Field { key: vec![text(key)], value: vec![text(value)], colon };
    let fields = vec![field("Shop", "Noodles", Colon::Narrow), field("合计", "SAR 1", Colon::Wide)];
    assert_eq!(document.blocks[1..], [Block::List { ordered: false, items }, Block::Fields(fields)]);
}

#[test]
fn the_colon_behind_a_key_is_the_templates_whatever_name_the_key_is() {
    assert_eq!(lines("- **Peak House：** 3 单\n- **海港**: 3 orders"), ["Peak House：3 单", "海港: 3 orders"]);
}

#[test]
fn the_further_lines_of_a_value_stand_below_its_first() {
    assert_eq!(lines("- **Orders:** 105\\\n  +15%\n- **Net:** 1"), ["Orders: 105", "  +15%", "Net: 1"]);
}

#[test]
fn a_quote_in_an_item_is_words_of_somebody_else_and_goes_with_the_reduced_form() {
    let document =
        read("- **1 ×** ribs\n  > Note: no peanuts\n- tea\\\n  less ice\n  > Note: hot\n  > and sweet\n\n> late");
    let quoted = |words: &str| Inline::Toned { tone: Tone::Quoted, content: vec![text(words)] };
    let ribs = vec![Inline::Strong(vec![text("1 ×")]), text(" ribs"), Inline::Break, quoted("Note: no peanuts")];
    let tea = vec![text("tea"), Inline::Break, text("less ice"), Inline::Break, quoted("Note: hot and sweet")];
    let quote = Block::Quote(vec![Block::Paragraph(vec![text("late")])]);
    assert_eq!(document.blocks, [Block::List { ordered: false, items: vec![ribs.clone(), tea.clone()] }, quote]);
    let items = vec![ribs[..2].to_vec(), tea[..3].to_vec()];
    assert_eq!(document.reduced(), Document { blocks: vec![Block::List { ordered: false, items }] });
}

#[test]
fn html_is_text() {
    assert_eq!(lines("a <b>bold</b>\n\n<div>\nx\n</div>"), ["a <b>bold</b>", "<div>", "x", "</div>"]);
}

#[test]
fn what_has_no_word_becomes_text() {
    assert_eq!(lines("```\nfn a\n  b\n```"), ["fn a", "  b"]);
    assert_eq!(lines("- a\n  - b\n  - c\n- d"), ["- a", "– b", "– c", "- d"]);
    assert_eq!(lines("- a\n\n  > quoted\n\n  # head\n- d"), ["- a", "quoted", "head", "- d"]);
    assert_eq!(lines("7. seven\n8. eight"), ["7. seven", "8. eight"]);
    assert_eq!(lines("| a | b |\n|---|---|\n| 1 | 2 |"), ["| a | b | |---|---| | 1 | 2 |"]);
    assert_eq!(lines("a\n\n---\n\n`b`"), ["a", "———", "b"]);
}

#[test]
fn pictures_are_blocks_and_links_keep_to_harmless_schemes() {
    let document = read("see ![a map](https://a.example/m.png) there");
    let picture = Block::Picture { alternative: "a map".to_owned(), url: "https://a.example/m.png".to_owned() };
    assert_eq!(document.blocks[1], picture);
    assert_eq!(lines("[go](dtmd://x) [call](tel:123)"), ["go (dtmd：//x) call (tel:123)"]);
    assert_eq!(lines("# see ![map](https://a.example/m)"), ["see map (https://a.example/m)"]);
}

#[test]
fn chinese_lines_join_without_a_blank() {
    assert_eq!(lines("新订单\n来了\nnow\n好"), ["新订单来了 now 好"]);
}

#[test]
fn the_title_is_the_first_heading_without_markup() {
    assert_eq!(read("x\n\n## **New** [order](https://a.example)").title().as_deref(), Some("New order"));
    assert_eq!(read("x").title(), None);
}

#[test]
fn what_is_nested_without_end_is_read_to_a_depth_that_everyone_can_go_into() {
    fn depth_of(inlines: &[Inline]) -> usize {
        let inner = |inline: &Inline| match inline {
            Inline::Strong(content) | Inline::Emphasis(content) => 1 + depth_of(content),
            Inline::Toned { content, .. } | Inline::Link { content, .. } => 1 + depth_of(content),
            Inline::Text(_) | Inline::Break => 0,
        };
        inlines.iter().map(inner).max().unwrap_or_default()
    }
    fn depth(blocks: &[Block]) -> usize {
        let inner = |block: &Block| match block {
            Block::Quote(blocks) => 1 + depth(blocks),
            Block::Heading { content, .. } | Block::Paragraph(content) => depth_of(content),
            Block::List { items, .. } => items.iter().map(|item| depth_of(item)).max().unwrap_or_default(),
            Block::Fields(_) | Block::Picture { .. } => 0,
        };
        blocks.iter().map(inner).max().unwrap_or_default()
    }
    for nesting in [
        format!("{} inmost", ">".repeat(100_000)),
        format!("{}inmost", "- ".repeat(50_000)),
        format!("{}inmost{}", "*a **b ".repeat(20_000), " b** a*".repeat(20_000)),
        format!("{}inmost{}", "![".repeat(20_000), "](https://x.example)".repeat(5_000)),
        format!("{}inmost", "<font color=\"info\">a".repeat(10_000)),
        format!("{}inmost", "> - 1. ".repeat(20_000)),
    ] {
        let document = read(&nesting);
        let depth = depth(&document.blocks);
        assert!(depth <= 64, "{depth} in {}", &nesting[..20]);
        assert!(document.plain_text().contains("inmost"), "{}", &nesting[..20]);
        drop(document.clone().reduced());
    }
    let quotes = read("> a\n>\n> > b\n> >\n> > > c");
    assert_eq!(depth(&quotes.blocks), 3);
}
