//! E-mail: each recipient gets a mail once, whatever the server does at whichever step, and what cannot arrive is said.

mod full;
mod silence;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::channel::email::Email;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::smtp::server::Timeouts;
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::secret::Secret;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::fault::{Fault, MailPhase, Times};
use orderbell::sandbox::inbox::MockVerdict;
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::{MailServer, Tls};
use rusqlite::params;
use tokio::net::TcpListener;

use crate::support::log::log;
use crate::support::{A_WHILE, Daemon, Scene, in_time, keeta, of};

/// Tried again at once, and often enough.
const AT_ONCE: &str = "retry = [\"0s\", \"0s\", \"0s\", \"0s\"]";
const COOK: &str = "cook@orderbell.test";
const OWNER: &str = "owner@orderbell.test";
const TILL: &str = "till@orderbell.test";

fn to_mail() -> String {
    "[[route]]\nevents = [\"order.*\"]\nto = [\"mail\"]\n[operator]\nto = [\"robot\"]\n".to_owned()
}

fn smtp(phase: MailPhase, reply: Option<&str>) -> Fault {
    Fault::Smtp { phase, reply: reply.map(str::to_owned) }
}

/// What came of each attempt for the channel `mail`, oldest first.
fn attempts(daemon: &Daemon) -> Vec<(i64, String)> {
    let connection = daemon.connection();
    let sql = "SELECT a.part, coalesce(a.outcome, 'under way') FROM attempts a JOIN deliveries d ON d.id = a.delivery
        WHERE d.channel = ?1 ORDER BY a.seq";
    let mut select = connection.prepare(sql).expect("a statement");
    let found = select.query_map(params!["mail"], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    found.collect::<Result<_, _>>().expect("rows")
}

fn outcomes(daemon: &Daemon) -> Vec<String> {
    attempts(daemon).into_iter().map(|(_, outcome)| outcome).collect()
}

/// A scene in which orders go to one mail channel.
async fn mailing(post: MailServer, to: &str, more: &str) -> (Scene, Daemon) {
    mailing_by(Rules::new(), post, to, more).await
}

/// The rules of a mail server at which one user logs in.
fn rules() -> Rules {
    Rules::new().mail_user("bell", Secret::new("hush"))
}

async fn mailing_by(rules: Rules, post: MailServer, to: &str, more: &str) -> (Scene, Daemon) {
    let scene = Scene::new(rules).await;
    let mail = scene.mailbox("mail", post, to, more).await;
    let daemon = scene.start(&format!("{mail}{}{}", scene.robot("robot", ""), to_mail())).await;
    (scene, daemon)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_step_costs_no_mail_and_only_a_lost_answer_repeats_one() {
    // Where it is cut; how often the server took it; what the first attempt came to. Where the cut comes while the mail is on
    // its way, it is chance whether we notice before the last of it has left us.
    let steps: [(MailPhase, usize, &[&str]); 10] = [
        (MailPhase::Greeting, 1, &["retry"]),
        (MailPhase::Hello, 1, &["retry"]),
        (MailPhase::Auth, 1, &["retry"]),
        (MailPhase::Mail, 1, &["retry"]),
        (MailPhase::Recipient, 1, &["retry"]),
        (MailPhase::Data, 1, &["retry"]),
        (MailPhase::Content, 1, &["retry", "unknown"]),
        (MailPhase::Midst, 1, &["retry", "unknown"]),
        // All of the mail is on its way when the connection is found cut.
        (MailPhase::Dot, 1, &["unknown"]),
        (MailPhase::Answer, 2, &["unknown"]),
    ];
    for (phase, taken, first) in steps {
        let login = format!("username = \"bell\"\npassword = \"hush\"\n{AT_ONCE}");
        let (scene, daemon) = mailing_by(rules(), MailServer::default(), &format!("[{COOK:?}]"), &login).await;
        scene.sandbox.order("smtp", smtp(phase, None), Times::Next(1));
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        let delivery_rows = daemon.until_done().await;
        let mail = of(&delivery_rows, "mail");
        assert_eq!((mail[0].state.as_str(), mail[0].attempts), ("delivered", 2), "{phase:?}");
        let outcomes = outcomes(&daemon);
        assert!(first.contains(&outcomes[0].as_str()) && outcomes[1..] == ["delivered"], "{phase:?}: {outcomes:?}");
        let (came, fragments): (Vec<_>, Vec<_>) =
            scene.came_to(COOK).into_iter().partition(|mail| mail.verdict == MockVerdict::Accepted);
        assert_eq!(came.len(), taken, "{phase:?}");
        assert_eq!(fragments.len(), usize::from(phase == MailPhase::Midst), "{phase:?}");
        let keys: BTreeSet<_> = came.iter().map(|received| received.key.clone().expect("a Message-ID")).collect();
        assert_eq!(keys.len(), 1, "{phase:?}: a repeat has the same Message-ID");
        let bodies: BTreeSet<_> = came.iter().map(|received| received.body.clone()).collect();
        assert_eq!(bodies.len(), 1, "{phase:?}: a repeat has the same bytes");
        for fragment in fragments {
            let (whole, part) = (&came[0].body, fragment.body);
            assert!(whole.starts_with(&part) && (1024..whole.len()).contains(&part.len()), "{} bytes", part.len());
        }
        assert_eq!(scene.received(COOK).len(), 1, "{phase:?}");
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_recipient_silences_nobody_and_one_that_accepted_is_not_mailed_again() {
    let refused = BTreeSet::from([COOK.to_owned()]);
    let post = MailServer { refused, ..MailServer::default() };
    let to = format!("[{COOK:?}, \"Owner <{OWNER}>\"]\ncc = [{TILL:?}]");
    let (scene, daemon) = mailing(post, &to, AT_ONCE).await;
    scene.sandbox.order(OWNER, smtp(MailPhase::Recipient, Some("450 4.2.0 greylisted, later")), Times::Next(2));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let delivery_rows =
        daemon.until(|all| all.iter().any(|one| one.channel == "robot" && one.state == "delivered")).await;
    let delivery_rows = match of(&delivery_rows, "mail")[0].state.as_str() {
        "waiting" => daemon.until_done().await,
        _ => delivery_rows,
    };
    let mail = of(&delivery_rows, "mail");
    assert_eq!(mail[0].state, "delivered");
    let rounds = attempts(&daemon);
    let wanted = [(0, "rejected"), (1, "retry"), (2, "delivered"), (1, "retry"), (1, "delivered")];
    assert_eq!(rounds, wanted.map(|(part, outcome)| (part, outcome.to_owned())));
    assert_eq!((scene.came_to(OWNER).len(), scene.came_to(TILL).len()), (1, 1));
    let mail = &scene.received(OWNER)[0];
    assert_eq!(mail.header("to"), Some("cook@orderbell.test, Owner <owner@orderbell.test>"));
    assert_eq!(mail.header("cc"), Some(TILL));
    assert_eq!(scene.received(TILL)[0].body, mail.body, "all get one mail");
    let notices: Vec<_> = scene.received("robot").into_iter().filter_map(|notice| notice.text).collect();
    assert!(notices.len() == 1 && notices[0].contains("c\\*\\*\\*@orderbell.test: 550 5.1.1"), "{notices:?}");
    for address in [COOK, OWNER, TILL] {
        assert!(!log().contains(address), "{address} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_to_many_is_stored_once_and_each_gets_the_whole_of_it() {
    let people: Vec<String> = (0..10).map(|number| format!("cook-{number}@orderbell.test")).collect();
    let (scene, daemon) = mailing(MailServer::default(), &format!("{people:?}"), AT_ONCE).await;
    // The bytes of one who must wait come from the store.
    scene.sandbox.order(&people[7], smtp(MailPhase::Recipient, Some("450 4.2.0 greylisted, later")), Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until_done().await;
    assert_eq!(attempts(&daemon).len(), 11);
    let mails: BTreeSet<String> = people.iter().map(|to| scene.received(to)[0].body.clone()).collect();
    let [mail] = mails.iter().collect::<Vec<_>>()[..] else { panic!("not all got one mail: {mails:?}") };
    let sql = "SELECT sum(length(body)) FROM parts p JOIN deliveries d ON d.id = p.delivery WHERE d.channel = 'mail'";
    let kept = daemon.connection().query_row(sql, [], |row| row.get::<_, isize>(0)).expect("a sum").unsigned_abs();
    assert!((mail.len()..mail.len() + 10 * 80).contains(&kept), "{kept} bytes for a mail of {}", mail.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_nobody_takes_is_dead_and_said() {
    let refused = BTreeSet::from([COOK.to_owned(), OWNER.to_owned()]);
    let (scene, daemon) =
        mailing(MailServer { refused, ..MailServer::default() }, &format!("[{COOK:?}, {OWNER:?}]"), AT_ONCE).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let delivery_rows = daemon.until(|all| of(all, "mail").iter().all(|mail| mail.state == "dead")).await;
    assert!(of(&delivery_rows, "mail")[0].answer.as_deref().is_some_and(|words| words.contains("550 5.1.1")));
    scene.until_received("robot", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mails_of_an_order_are_one_conversation_that_nothing_answers() {
    let (scene, daemon) = mailing(MailServer::default(), &format!("[{COOK:?}]"), AT_ONCE).await;
    let now = scene.hands.now();
    daemon.acknowledged(&keeta::placed(1, now)).await;
    scene.until_received(COOK, 1).await;
    daemon.acknowledged(&keeta::stepped(1002, 1, now)).await;
    scene.until_received(COOK, 2).await;
    daemon.acknowledged(&keeta::placed(2, now)).await;
    let mails = scene.until_received(COOK, 3).await;
    let all = |name: &str| -> Vec<&str> { mails.iter().map(|mail| mail.header(name).expect(name)).collect() };
    let (subjects, roots, ids) = (all("subject"), all("references"), all("message-id"));
    assert_eq!((subjects[0], roots[0]), (subjects[1], roots[1]));
    assert!(roots[0] != roots[2], "{roots:?}");
    assert_eq!(all("in-reply-to"), roots);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    assert!(ids.iter().all(|id| id.is_ascii() && id.ends_with("@orderbell.test>")), "{ids:?}");
    assert_eq!(all("auto-submitted"), ["auto-generated"; 3]);
    assert!(all("date").iter().all(|date| date.ends_with("+0000")));
    assert_eq!(mails[0].header("from"), Some("\"Harbour Noodle House\" <bell@orderbell.test>"));
    assert!(mails[0].text.as_deref().is_some_and(|text| text.starts_with("New order")), "{:?}", mails[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_encrypted_and_logged_in_to_servers_that_prove_who_they_are() {
    for (tls, scheme) in [(Tls::OnRequest, "smtp"), (Tls::FromTheStart, "smtps")] {
        let scene = Scene::new(rules()).await;
        fs::write(scene.folder.path().join("ca.pem"), scene.sandbox.certificate()).expect("a file");
        let post = MailServer { tls, ..MailServer::default() };
        let login = "username = \"bell\"\npassword = \"hush\"\nallow_private = true";
        let trusted = scene
            .mailbox("mail", post.clone(), &format!("[{COOK:?}]"), &format!("{login}\nca_file = \"ca.pem\""))
            .await;
        let stranger = scene.mailbox("stranger", post.clone(), &format!("[{OWNER:?}]"), login).await;
        let wrong = scene
            .mailbox(
                "wrong",
                post,
                &format!("[{TILL:?}]"),
                &format!("{}\nca_file = \"ca.pem\"", login.replace("hush", "hash")),
            )
            .await;
        let channels =
            [trusted, stranger, wrong].concat().replace("smtp+plain://127.0.0.1", &format!("{scheme}://localhost"));
        let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"mail\", \"stranger\", \"wrong\"]\n";
        let daemon = scene.start(&format!("{channels}{route}")).await;
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        let delivery_rows = daemon.until(|all| all.len() == 3 && all.iter().all(|one| one.answer.is_some())).await;
        assert_eq!(of(&delivery_rows, "mail")[0].state, "delivered", "{delivery_rows:?}");
        let words = |channel: &str| of(&delivery_rows, channel)[0].answer.clone().unwrap_or_default();
        assert!(words("stranger").contains("unknown authority"), "{}", words("stranger"));
        assert!(words("wrong").starts_with("AUTH: 535 5.7.8 (username or password is wrong"), "{}", words("wrong"));
        assert!(scene.came_to(OWNER).is_empty() && scene.came_to(TILL).is_empty());
        for secret in ["hush", "hash", "AGJlbGwA"] {
            assert!(!log().contains(secret), "{secret} is in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_goes_to_a_server_that_cannot_encrypt() {
    let scene = Scene::new(rules()).await;
    let post = MailServer { tls: Tls::Never, ..MailServer::default() };
    let mail = scene
        .mailbox("mail", post, &format!("[{COOK:?}]"), "username = \"bell\"\npassword = \"hush\"\nallow_private = true")
        .await;
    let daemon = scene
        .start(&format!(
            "{}{}",
            mail.replace("smtp+plain", "smtp"),
            "[[route]]\nevents = [\"order.*\"]\nto = [\"mail\"]\n"
        ))
        .await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let delivery_rows = daemon.until(|all| all.iter().any(|one| one.answer.is_some())).await;
    assert_eq!(delivery_rows[0].state, "waiting");
    assert_eq!(delivery_rows[0].answer.as_deref(), Some("STARTTLS: the server offers no STARTTLS; try smtps://"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_had_given_up_costs_no_attempt() {
    let (scene, daemon) = mailing(MailServer::default(), &format!("[{COOK:?}]"), "connections = 1").await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until_done().await;
    scene.sandbox.order(
        "smtp",
        smtp(MailPhase::Mail, Some("451 4.4.2 Timeout waiting for data from client")),
        Times::Next(1),
    );
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    daemon.until_done().await;
    assert_eq!(outcomes(&daemon), ["delivered", "delivered"]);
    assert_eq!(scene.received(COOK).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reply_is_judged_by_what_it_means() {
    // The step, the reply, and what becomes of the delivery: its state and the outcome.
    let cases = [
        (MailPhase::Mail, "550 5.7.1 sender not allowed", "waiting", "misconfigured"),
        (MailPhase::Mail, "421 4.7.0 try again later", "waiting", "retry"),
        (MailPhase::Recipient, "554 5.7.1 <cook@orderbell.test>: Relay access denied", "waiting", "misconfigured"),
        (MailPhase::Recipient, "550 5.1.1 no such user", "dead", "rejected"),
        (MailPhase::Recipient, "552 5.2.2 <cook@orderbell.test>: user is over quota", "waiting", "full"),
        (MailPhase::Recipient, "451 4.7.1 greylisted", "waiting", "retry"),
        (MailPhase::Data, "550 5.4.5 Daily user sending limit exceeded", "waiting", "throttled"),
        (MailPhase::Dot, "550 The \"From\" header is missing or invalid", "waiting", "misconfigured"),
        (MailPhase::Dot, "552 5.3.4 Message size exceeds fixed limit", "dead", "rejected"),
        (MailPhase::Dot, "554 5.7.1 Message rejected as spam", "dead", "rejected"),
        (MailPhase::Dot, "454 Throttling failure: Maximum sending rate exceeded", "waiting", "throttled"),
        (MailPhase::Dot, "451 MI:SFQ 163 smtp5", "waiting", "throttled"),
        (MailPhase::Greeting, "554 no mail here", "waiting", "misconfigured"),
        (
            MailPhase::Hello,
            "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname",
            "waiting",
            "misconfigured",
        ),
        (MailPhase::Hello, "354 nobody knows this", "waiting", "retry"),
        (MailPhase::Dot, "354 nobody knows this", "waiting", "unknown"),
    ];
    for (phase, reply, state, outcome) in cases {
        let (scene, daemon) = mailing(MailServer::default(), &format!("[{COOK:?}]"), "retry = [\"1h\"]").await;
        scene.sandbox.order("smtp", smtp(phase, Some(reply)), Times::Next(1));
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        let delivery_rows = daemon.until(|all| of(all, "mail").iter().any(|one| one.answer.is_some())).await;
        let mail = of(&delivery_rows, "mail");
        assert_eq!((mail[0].state.as_str(), outcomes(&daemon)[0].as_str()), (state, outcome), "{phase:?} {reply}");
    }
}

/// A mailbox of its own, without a daemon.
fn mailbox(address: &str, patience: Timeouts) -> Email {
    let text = format!("smtp = \"smtp+plain://{address}\"\nfrom = \"bell@orderbell.test\"\nto = [{COOK:?}]");
    let mut email: Email = toml::from_str(&text).expect("a mailbox");
    email.inherited.timeouts = patience;
    email
}

async fn send(email: &Email, key: &str) -> Answer {
    in_time(send_body(email, key, mail(key))).await
}

/// A stored mail with dots that must be doubled.
fn mail(key: &str) -> String {
    format!("bell@orderbell.test {COOK}\r\nSubject: x\r\nMessage-ID: <{key}>\r\n\r\n.dot\r\n..\r\n")
}

/// As long as it takes.
async fn send_body(email: &Email, key: &str, body: String) -> Answer {
    let part = Part { index: 0, form: PartForm::Full, body };
    let attempt = Attempt { key: key.to_owned(), kind: Kind::Test, now: Timestamp::now() };
    email.send(&Http::new(&Settings::default()).expect("a client"), &part, &attempt).await
}

async fn post_office(post: MailServer) -> (Sandbox, String) {
    let listener = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let sandbox = Sandbox::start(listener().await, Rules::new());
    let address = sandbox.serve_mail(listener().await, post).to_string();
    (sandbox, address)
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_and_connections_are_kept_within_their_cap() {
    let (sandbox, address) = post_office(MailServer::default()).await;
    let email = mailbox(&address, Timeouts::default());
    let keys: Vec<String> = (0..30).map(|number| format!("mail-{number}")).collect();
    let sends = keys.iter().map(|key| send(&email, key));
    let answers = futures_util::future::join_all(sends).await;
    assert!(answers.iter().all(|answer| answer.outcome == Outcome::Delivered), "{answers:?}");
    let came = sandbox.messages();
    assert_eq!(came.len(), 30);
    assert!(
        came.iter().all(|mail| mail.verdict == MockVerdict::Accepted && mail.body.ends_with("\r\n\r\n.dot\r\n..\r\n"))
    );
    assert_eq!(sandbox.most_mail_connections(), 2, "the default of `connections`");
    // Those that lie idle are closed before a server would.
    let deadline = Instant::now() + Duration::from_secs(20);
    while sandbox.open_mail_connections() > 0 {
        assert!(Instant::now() < deadline, "an idle connection stays open");
        tokio::time::sleep(A_WHILE / 10).await;
    }
}
