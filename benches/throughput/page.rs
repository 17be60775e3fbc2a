//! The views of the page, as a reader finds them: by the links of each, from the first one on.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use url::Url;

use crate::api;

/// More views than these are not asked for.
const MOST: usize = 80;
/// What of a list may be chosen by its address, whether or not a link says so.
const CHOSEN: [&str; 4] =
    ["/deliveries?state=delivered", "/events?kind=order.placed", "/orders?shop=1", "/orders?number=0042"];

/// One address of each form: of lists each filter that is linked to, of what a list has the first one.
pub fn views(admin: SocketAddr) -> Vec<String> {
    let base: Url = format!("http://{admin}/").parse().expect("an address");
    let mut waiting: VecDeque<Url> =
        [Ok(base.clone())].into_iter().chain(CHOSEN.map(|path| base.join(path))).flatten().collect();
    let (mut forms, mut views) = (BTreeSet::new(), Vec::new());
    while let Some(url) = waiting.pop_front() {
        if views.len() == MOST || !forms.insert(form(&url)) {
            continue;
        }
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let (status, html) = api::get(admin, &path);
        // What is chosen above need not be there in each version.
        if status == 200 {
            waiting.extend(
                links(&html).filter_map(|link| url.join(&link).ok()).filter(|link| link.origin() == base.origin()),
            );
            views.push(path);
        }
    }
    views
}

/// Where the links of a page lead.
fn links(html: &str) -> impl Iterator<Item = String> {
    html.split("<a ").skip(1).filter_map(|link| {
        let tag = link.split('>').next()?;
        let target = tag.split("href=\"").nth(1)?.split('"').next()?;
        (!target.starts_with('#')).then(|| target.replace("&#x2f;", "/").replace("&amp;", "&"))
    })
}

/// What two addresses have in common that differ in an id, a number, a day or a cursor alone.
fn form(url: &Url) -> String {
    let part = |text: &str| match text.bytes().any(|byte| byte.is_ascii_digit()) || text.len() > 30 {
        true => "*".to_owned(),
        false => text.to_owned(),
    };
    let path: Vec<String> = url.path().split('/').map(part).collect();
    let query: Vec<String> = url.query_pairs().map(|(name, value)| format!("{name}={}", part(&value))).collect();
    format!("{}?{}", path.join("/"), query.join("&"))
}
