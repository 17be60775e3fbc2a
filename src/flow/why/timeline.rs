//! A story in chapters and lines, and the two ways in which it is printed: as text for people, as JSON for programs.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::domain::local_time;
use crate::domain::local_time::Zone;

/// One thing with its story: an order, an event, a delivery, a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineSection {
    /// The list that it stands in, as programs see it.
    pub list: &'static str,
    pub heading: String,
    /// The whole story in one line.
    pub summary: Option<String>,
    pub facts: Map<String, Value>,
    pub lines: Vec<TimelineEntry>,
    pub chapters: Vec<TimelineSection>,
    /// How it stands at the end.
    pub end: Vec<TimelineEntry>,
}

/// One sentence of a story.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineEntry {
    /// The list that it stands in, as programs see it.
    pub list: &'static str,
    pub at: Option<Timestamp>,
    pub says: String,
    pub facts: Map<String, Value>,
    /// What was answered word for word, what that means and what to change.
    pub answer: Option<String>,
    pub cause: Option<String>,
    pub change: Option<String>,
    /// The meaning stands at another line already; people need not read it twice.
    pub is_known: bool,
    /// People get to read it only where they ask for all.
    pub is_aside: bool,
}

/// How much people get to read; programs always get everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Without the routes that did not apply, where another one did.
    Brief,
    All,
}

/// The list of lines that happened one after another.
pub const STORY: &str = "story";

impl TimelineEntry {
    /// What happened at a moment.
    pub fn at(at: Timestamp, says: impl Into<String>) -> Self {
        Self { list: STORY, at: Some(at), says: says.into(), ..Self::default() }
    }

    /// What holds, at no moment in particular.
    pub fn says(says: impl Into<String>) -> Self {
        Self { list: STORY, says: says.into(), ..Self::default() }
    }

    pub fn with(mut self, name: &str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    pub fn in_list(self, list: &'static str) -> Self {
        Self { list, ..self }
    }

    /// With a cause and what to change.
    pub fn meaning(self, cause: impl Into<String>, change: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), change: Some(change.into()), ..self }
    }
}

/// The members of an object that there are.
pub fn facts(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(facts) => facts.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// The whole story as text. Times are those of the zone.
pub fn text(chapters: &[TimelineSection], zone: &Zone, extent: Verbosity) -> String {
    let mut text = String::new();
    for (number, chapter) in chapters.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        write(chapter, 0, &Page { zone: &zone.zone, extent }, &mut text);
    }
    text.push_str(&format!("\nTimes are those of {}.\n", zone.name));
    text
}

/// What holds for the whole text.
struct Page<'a> {
    zone: &'a TimeZone,
    extent: Verbosity,
}

fn write(chapter: &TimelineSection, depth: usize, page: &Page<'_>, text: &mut String) {
    let indent = "  ".repeat(depth);
    let summary = chapter.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
    text.push_str(&format!("{indent}{}{summary}\n", chapter.heading));
    let below = "  ".repeat(depth + 1);
    let mut asides = 0;
    for line in &chapter.lines {
        match line.is_aside && page.extent == Verbosity::Brief {
            true => asides += 1,
            false => write_line(line, &below, page.zone, text),
        }
    }
    match asides {
        0 => {}
        1 => text.push_str(&format!("{below}1 other route did not apply; --all says why.\n")),
        asides => text.push_str(&format!("{below}{asides} other routes did not apply; --all says why.\n")),
    }
    for inner in &chapter.chapters {
        text.push('\n');
        write(inner, depth + 1, page, text);
    }
    if !chapter.chapters.is_empty() && !chapter.end.is_empty() {
        text.push('\n');
    }
    chapter.end.iter().for_each(|line| write_line(line, &below, page.zone, text));
}

fn write_line(line: &TimelineEntry, indent: &str, zone: &TimeZone, text: &mut String) {
    match line.at {
        Some(at) => text.push_str(&format!("{indent}{}  {}\n", local_time::second(at, zone), line.says)),
        None => text.push_str(&format!("{indent}{}\n", line.says)),
    }
    let meaning = if line.is_known { [None, None] } else { [line.cause.as_ref(), line.change.as_ref()] };
    let [cause, change] = meaning;
    for (label, words) in [("answer:", line.answer.as_ref()), ("cause: ", cause), ("change:", change)] {
        if let Some(words) = words {
            text.push_str(&format!("{indent}    {label} {words}\n"));
        }
    }
}

/// The whole story as JSON. Times are UTC, but for those within sentences.
pub fn json(chapters: &[TimelineSection], zone: &Zone) -> Value {
    let mut whole = Map::from_iter([("timezone".to_owned(), Value::from(zone.name.clone()))]);
    gather(chapters, &mut whole);
    Value::Object(whole)
}

/// Puts each chapter into its list.
fn gather(chapters: &[TimelineSection], into: &mut Map<String, Value>) {
    for chapter in chapters {
        let mut object = chapter.facts.clone();
        object.insert("says".to_owned(), Value::from(chapter.heading.clone()));
        if let Some(summary) = &chapter.summary {
            object.insert("summary".to_owned(), Value::from(summary.clone()));
        }
        for line in chapter.lines.iter().chain(&chapter.end) {
            push(&mut object, line.list, line_json(line));
        }
        gather(&chapter.chapters, &mut object);
        push(into, chapter.list, Value::Object(object));
    }
}

fn push(object: &mut Map<String, Value>, list: &str, value: Value) {
    // No fact has the name of a list.
    if let Value::Array(values) = object.entry(list.to_owned()).or_insert_with(|| Value::Array(Vec::new())) {
        values.push(value);
    }
}

fn line_json(line: &TimelineEntry) -> Value {
    let mut object = line.facts.clone();
    let moment = line.at.map(|at| at.to_string());
    for (name, value) in [("at", &moment), ("answer", &line.answer), ("cause", &line.cause), ("change", &line.change)] {
        if let Some(value) = value {
            object.insert(name.to_owned(), Value::from(value.clone()));
        }
    }
    object.insert("says".to_owned(), Value::from(line.says.clone()));
    Value::Object(object)
}
