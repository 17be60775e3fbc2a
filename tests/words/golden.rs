//! Golden files: what each sample looks like in a DingTalk group, as text to be read and as the exact bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use orderbell::channel::Channel;
use orderbell::channel::dingtalk::DingTalk;
use orderbell::domain::compose::Composed;
use orderbell::domain::compose::plain;
use orderbell::domain::event::Kind;
use orderbell::domain::message::Form;
use orderbell::domain::message::Message;
use orderbell::domain::template::Templates;

use crate::words::hostile;
use crate::words::samples;
use crate::words::samples::Sample;

pub const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

pub fn robot(settings: &str) -> DingTalk {
    let webhook = "webhook = \"https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef\"\n";
    toml::from_str(&format!("{webhook}{settings}")).unwrap()
}

pub fn message(sample: &Sample, composed: Composed) -> Message {
    let Composed { title, markdown, document } = composed;
    let (event, order) = (sample.event.clone(), sample.order.clone());
    Message { delivery: samples::DELIVERY, event, order, title, markdown, document }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dingtalk")
}

/// Compares with the file, or writes it when `UPDATE_GOLDEN` is set. Answers with what differs.
fn compare(path: &Path, actual: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != actual).then(|| format!("{}:\n--- expected\n{expected}\n--- actual\n{actual}", path.display()))
}

#[test]
fn every_kind_reads_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    let robot = robot("mention = { mobiles = [\"+966-501234567\"] }");
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let mut texts: Vec<(String, Composed, Sample)> = Vec::new();
        for sample in samples::all() {
            let composed =
                templates.compose(&sample.view(language, &timezone)).unwrap_or_else(|error| panic!("{error}"));
            texts.push((sample.name.clone(), composed, sample));
        }
        let sample = hostile::saying(&hostile::HOSTILE.join("\n"), Kind::OrderPlaced);
        let composed = templates.compose(&sample.view(language, &timezone)).unwrap();
        texts.push(("order.placed.hostile".to_owned(), composed, sample));
        let sample = samples::all().remove(0);
        texts.push(("plain".to_owned(), plain(&sample.view(language, &timezone)), sample));
        for (name, composed, sample) in texts {
            let parts = robot.write(&message(&sample, composed), Form::Full);
            let [part] = parts.as_slice() else { panic!("{name} is {} parts", parts.len()) };
            let body: serde_json::Value = serde_json::from_str(&part.body).unwrap();
            let markdown = &body["markdown"];
            let text = format!("{}\n\n{}\n", markdown["title"].as_str().unwrap(), markdown["text"].as_str().unwrap());
            for (extension, actual) in [("md", &text), ("json", &part.body)] {
                let path = folder().join(language).join(format!("{name}.{extension}"));
                wrong.extend(compare(&path, actual));
                known.insert(path);
            }
        }
        for file in fs::read_dir(folder().join(language)).unwrap() {
            let path = file.unwrap().path();
            if !known.contains(&path) {
                wrong.push(format!("{}: no sample makes this file any more", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", wrong.join("\n"));
}
