//! Who reads a page, in which language, and how it is rendered for them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use minijinja::{Value, context};
use poem::{FromRequest, Request, RequestBody, Response};
use url::{Position, Url};

use crate::domain::access::Access;
use crate::domain::bidi::Direction;
use crate::domain::language::Language;
use crate::domain::language::folders::{built_in_folders, declared, meant, serving};
use crate::domain::local_time::Zone;
use crate::domain::remedy::localized;
use crate::domain::template::filters::TemplateZone;
use crate::domain::template::pages::PageTemplates;
use crate::flow::Clock;
use crate::flow::resources::Resources;
use crate::web::admin::access::Caller;
use crate::web::admin::local_path::LocalPath;
use crate::web::admin::logged_in::CurrentSession;
use crate::web::admin::page::assets;
use crate::web::admin::page::frames::Frames;
use crate::web::admin::page::values::plain;
use crate::web::admin::problem::Problem;

/// The cookie with the language that a reader has chosen.
pub const LANGUAGE_COOKIE: &str = "orderbell-language";
/// Longer lists of languages are of no browser.
const LONGEST_LIST: usize = 500;

/// The pages in each language, read when somebody first reads in it.
pub struct Pages {
    /// Absent before there is a configuration: then nothing but the set-up is shown.
    resources: Option<Resources>,
    clock: Clock,
    pub frames: Frames,
    languages: BTreeMap<&'static str, OnceLock<Option<PageTemplates>>>,
}

impl Pages {
    pub fn new(resources: Resources) -> Self {
        Self { clock: resources.clock.clone(), resources: Some(resources), ..Self::of_first_start(Clock::system()) }
    }

    /// Those of a first start, which has nothing to show yet but its set-up.
    pub fn of_first_start(clock: Clock) -> Self {
        let languages = built_in_folders().iter().map(|folder| (folder.as_str(), OnceLock::new())).collect();
        Self { resources: None, clock, frames: Frames::default(), languages }
    }

    fn of(&self, language: &str) -> Option<&PageTemplates> {
        let templates = self.languages.get(language)?.get_or_init(|| {
            let read = PageTemplates::of(language);
            read.inspect_err(|error| tracing::error!(language, %error, "the pages cannot be read")).ok()
        });
        templates.as_ref()
    }
}

/// Who reads a page, and what holds while it is made.
pub struct Reader {
    pub pages: Arc<Pages>,
    pub caller: Option<Caller>,
    /// Where they have logged in.
    pub session: Option<CurrentSession>,
    /// One of the built-in ones.
    pub language: &'static str,
    /// That of the configuration, in which times are shown.
    pub zone: Zone,
    pub now: Timestamp,
    /// The path and query that were asked for.
    pub path: String,
}

impl Reader {
    /// Of any request, whoever makes it.
    pub fn of(request: &Request, pages: Arc<Pages>) -> Self {
        let routing = pages.resources.as_ref().map(|resources| resources.routing.get());
        let configured = routing.as_ref().map_or("en", |routing| &routing.language);
        let path = request.original_uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Self {
            caller: request.extensions().get().cloned(),
            session: request.extensions().get().cloned(),
            language: language(request.headers(), configured),
            zone: routing.as_ref().map(|routing| routing.summary.timezone.clone()).unwrap_or_default(),
            now: pages.clock.now(),
            path,
            pages,
        }
    }

    pub fn resources(&self) -> &Resources {
        self.pages.resources.as_ref().expect("no view but the set-up is shown before there is a configuration")
    }

    /// Whether they may change anything.
    pub fn may_change(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.access >= Access::Write)
    }

    /// # Errors
    /// 403 where they may only read.
    pub fn must_change(&self) -> Result<(), Problem> {
        let nobody = || Problem::of_status(StatusCode::FORBIDDEN);
        self.caller.as_ref().ok_or_else(nobody)?.must(Access::Write)
    }

    /// What Orderbell itself says of an attempt or a refusal, in the language of the reader.
    pub fn localized(&self, said: &str) -> String {
        self.words().map_or_else(|| said.to_owned(), |words| localized(said, words).into_owned())
    }

    pub fn words(&self) -> Option<&Language> {
        self.pages.of(self.language).map(|pages| pages.language.as_ref())
    }

    /// A view with what it shows, as a whole page. `view` is the name of its template, and of its words below `page`; a further
    /// page of a view is named behind it: `templates_file`.
    pub fn page(&self, view: &str, shown: Value) -> Response {
        self.answer(StatusCode::OK, view, shown)
    }

    pub fn answer(&self, status: StatusCode, view: &str, shown: Value) -> Response {
        let rendered = match self.pages.of(self.language) {
            Some(pages) => pages.render(&format!("{view}.html"), self.values(pages, view, shown)),
            None => return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish(),
        };
        match rendered {
            Ok(html) => Response::builder().status(status).content_type("text/html; charset=utf-8").body(html),
            Err(error) => {
                tracing::error!(view, language = self.language, %error, "a page cannot be rendered");
                Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish()
            }
        }
    }

    fn values(&self, pages: &PageTemplates, view: &str, shown: Value) -> Value {
        let direction = match pages.language.direction() {
            Direction::LeftToRight => "ltr",
            Direction::RightToLeft => "rtl",
        };
        let is_live = self.pages.resources.is_some();
        let languages = built_in_folders().iter().map(|folder| {
            let name = declared(folder, "name", &BTreeMap::new()).unwrap_or_else(|| folder.clone());
            context! { tag => folder, name => name }
        });
        context! {
            page => context! {
                view => view.split('_').next(),
                views => if is_live { views() } else { Vec::new() },
                is_live => is_live,
                path => self.path.as_str(),
                language => self.language,
                direction => direction,
                languages => languages.collect::<Vec<Value>>(),
                version => env!("CARGO_PKG_VERSION"),
                assets => plain(assets::addresses()),
                zone => self.zone.name.as_str(),
                caller => self.caller.as_ref().map(|caller| caller.name.to_string()),
                may_change => self.may_change(),
                session => self.session.is_some(),
            },
            timezone => Value::from_object(TemplateZone(self.zone.zone.clone())),
            received_at => self.now.to_string(),
            ..shown
        }
    }
}

/// The views that the page leads to, in their sequence.
const VIEWS: [(&str, &str); 8] = [
    ("today", "/"),
    ("orders", "/orders"),
    ("deliveries", "/deliveries"),
    ("channels", "/channels"),
    ("sources", "/sources"),
    ("templates", "/templates"),
    ("reports", "/reports"),
    ("configuration", "/configuration"),
];

fn views() -> Vec<Value> {
    VIEWS.map(|(name, path)| context! { name => name, path => path }).into()
}

impl<'a> FromRequest<'a> for Reader {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let pages = request.data::<Arc<Pages>>().cloned();
        let missing = || Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(Self::of(request, pages.ok_or_else(missing)?))
    }
}

/// The built-in language that serves whoever asks best: the one that they chose, the first that their browser names and that
/// there is, or that of the configuration.
fn language(headers: &HeaderMap, configured: &str) -> &'static str {
    let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(|tag| own(&tag));
    let accepted = || {
        let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().filter(|list| list.len() <= LONGEST_LIST)?;
        preferred(list)
    };
    chosen.or_else(accepted).or_else(|| serving(configured, built_in_folders())).unwrap_or("en")
}

/// The built-in language of exactly this tag.
pub fn own(tag: &str) -> Option<&'static str> {
    built_in_folders().iter().find(|folder| folder.eq_ignore_ascii_case(tag)).map(String::as_str)
}

/// The first language of an `Accept-Language` that we have, or a relative of which we have.
fn preferred(list: &str) -> Option<&'static str> {
    let weighted = list.split(',').filter_map(|entry| {
        let (tag, parameter) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = parameter.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
        (weight > 0.0).then_some((tag.trim(), weight))
    });
    let mut weighted: Vec<_> = weighted.collect();
    weighted.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let known: Vec<&'static str> = built_in_folders().iter().map(String::as_str).collect();
    weighted.into_iter().find_map(|(tag, _)| meant(tag, &known))
}

/// The value of a cookie that stands there once.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Leads to another address of the page, once something was done.
pub fn see(segments: &[&str], query: &[(&str, &str)]) -> Response {
    let mut address = Url::parse("http://localhost").expect("it is an address");
    if let Ok(mut path) = address.path_segments_mut() {
        path.clear().extend(segments);
    }
    if !query.is_empty() {
        address.query_pairs_mut().extend_pairs(query);
    }
    let path = &address[Position::BeforePath..];
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

/// A path of this page that a form wants to lead back to; the front page where it is none of ours.
pub fn way_back(wanted: &str) -> String {
    LocalPath::read(wanted).map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_of_a_browser_is_found() {
        for (list, found) in [
            ("pt-BR,pt;q=0.9,en;q=0.8", Some("pt-BR")),
            ("pt", Some("pt-BR")),
            ("zh-TW, zh;q=0.8", Some("zh-HK")),
            ("zh-Hans-CN", Some("zh-CN")),
            ("ar-SA", Some("ar")),
            ("fr-FR, de;q=0.9", None),
            ("fr, ar;q=0.2, en;q=0.4", Some("en")),
            ("en;q=0, ar;q=0.1", Some("ar")),
            ("*", None),
            ("", None),
            (";;;,,,q=", None),
        ] {
            assert_eq!(preferred(list), found, "{list}");
        }
    }

    #[test]
    fn a_form_leads_back_to_paths_of_ours_alone() {
        for own in ["/", "/orders?number=29332222", "/orders/keeta/1%2F2"] {
            assert_eq!(way_back(own), own);
        }
        for foreign in [
            "",
            "//evil.example.com",
            "/\\evil.example.com",
            "https://evil.example.com/",
            "orders",
            "/a\r\nb",
            "javascript:alert(1)",
        ] {
            assert_eq!(way_back(foreign), "/", "{foreign}");
        }
    }

    #[test]
    fn what_was_done_leads_to_an_address_that_holds_any_name() {
        let location = |answer: Response| answer.header("location").map(str::to_owned);
        let path = see(&["channels", "a/b?c d"], &[("said", "x&y")]);
        assert_eq!(location(path).as_deref(), Some("/channels/a%2Fb%3Fc%20d?said=x%26y"));
        assert_eq!(location(see(&["sources"], &[])).as_deref(), Some("/sources"));
    }

    #[test]
    fn a_cookie_that_stands_there_twice_is_none() {
        let headers = |text: &str| HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
        assert_eq!(cookie(&headers("a=1; orderbell-language=ar"), LANGUAGE_COOKIE).as_deref(), Some("ar"));
        assert_eq!(cookie(&headers("orderbell-language=ar; orderbell-language=en"), LANGUAGE_COOKIE), None);
    }
}
