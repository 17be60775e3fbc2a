//! Each row of the matrix, gone through: a delivery on each way, and what the receiver and the store counted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::channel::kinds::ChannelConfig;
use orderbell::channel::smtp::server::Timeouts;
use orderbell::config::configured::Config;
use orderbell::domain::secret::Secret;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::inbox::{MockVerdict, Received};
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use orderbell::sandbox::smtp::MailServer;
use orderbell::store::history::list::DeliveryRow;
use rusqlite::params;
use tokio::net::TcpListener;

use crate::matrix::{
    CALM, Cell, End, GIVES_UP, KEY, MARK, MOST_STEPS, Moment, SENSELESS, WAYS, Way, cells, said, word,
};
use crate::support::address::ShutDoor;
use crate::support::{Daemon, Scene, TOO_LONG, keeta};

/// Where the receivers of the cells are.
struct Doors {
    http: ShutDoor,
    smtp: ShutDoor,
    mail: std::net::SocketAddr,
}

fn channel(scene: &Scene, doors: &Doors, way: Way, name: &str, moment: Moment) -> String {
    let door = if moment == Moment::Refused { doors.http.address } else { scene.sandbox.address() };
    let more = if moment == Moment::Late { format!("timeout = \"{}s\"\n", GIVES_UP.as_secs()) } else { String::new() };
    let text = match way {
        Way::DingTalk => {
            format!(
                "kind = \"dingtalk\"\nwebhook = \"http://{door}/robot/send?access_token={name}\"\nsecret = \"SEC-{name}\""
            )
        }
        Way::WeCom => format!("kind = \"wecom\"\nwebhook = \"http://{door}/cgi-bin/webhook/send?key={name}\""),
        Way::Standard | Way::Apsdai => {
            let scheme = if way == Way::Standard { "standard-webhooks" } else { "apsdai" };
            let signing = format!("signing = {{ scheme = \"{scheme}\", secret = \"{KEY}\" }}");
            format!("kind = \"webhook\"\nurl = \"http://{door}/webhook/{name}\"\n{signing}")
        }
        Way::Mail => {
            let door = if moment == Moment::Refused { doors.smtp.address } else { doors.mail };
            let to = ["first", "second"].map(|which| format!("{which}.{name}@orderbell.test"));
            // A user for each, so that no channel uses another one's connections.
            let login = format!("username = \"{name}\"\npassword = \"hush\"");
            format!(
                "kind = \"email\"\nsmtp = \"smtp+plain://{door}\"\nfrom = \"bell@orderbell.test\"\nto = {to:?}\n{login}"
            )
        }
    };
    format!("[channel.{name}]\n{text}\nallow_private = true\n{more}\n")
}

fn rules(cells: &[Cell]) -> Rules {
    let named = |rules: Rules, way: Way, name: &str| match way {
        Way::DingTalk => {
            rules.robot(name, RobotRules { secret: Some(Secret::new(format!("SEC-{name}"))), keyword: None })
        }
        Way::WeCom => rules.wecom(name),
        Way::Standard => rules.hook(name, WebhookRules::StandardWebhooks(Secret::new(KEY))),
        Way::Apsdai => rules.hook(name, WebhookRules::Apsdai(Secret::new(KEY))),
        Way::Mail => rules,
    };
    let rules = cells.iter().fold(Rules::new().strict(), |rules, cell| named(rules, cell.way, &cell.name));
    WAYS.into_iter().zip(CALM).fold(rules, |rules, (way, name)| named(rules, way, name))
}

/// A mail server is waited for as long as its protocol says, which is too long for a test.
fn hasten(config: &mut Config, cells: &[Cell]) {
    for cell in cells.iter().filter(|cell| cell.moment == Moment::Late) {
        if let ChannelConfig::Email(email) = &mut config.channels.get_mut(&cell.name).expect("a channel").way {
            email.inherited.timeouts =
                Timeouts { connect: GIVES_UP, reply: GIVES_UP, content: GIVES_UP, answer: GIVES_UP };
        }
    }
}

/// How many attempts are under way, and what is due but has not begun.
fn busy(daemon: &Daemon, now: Timestamp) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM attempts WHERE ended_at IS NULL),
        (SELECT count(*) FROM deliveries WHERE state = 'waiting' AND due_at <= ?1)";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    daemon.connection().query_row(sql, [now.as_millisecond()], read).expect("counts")
}

async fn until_quiet(scene: &Scene, daemon: &Daemon) {
    let deadline = Instant::now() + TOO_LONG;
    while busy(daemon, scene.hands.now()) != (0, 0) {
        assert!(Instant::now() < deadline, "something is due and is not sent: {:?}", busy(daemon, scene.hands.now()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An event that only the channels in no trouble get must be delivered to all of them without the clock being moved.
async fn until_calm(scene: &Scene, daemon: &Daemon, number: u64) {
    daemon.acknowledged(&keeta::stepped(1002, number, scene.hands.now())).await;
    let number = number.to_string();
    let is_received = |one: &DeliveryRow| {
        let attempts = if one.channel == "calm-mail" { 2 } else { 1 };
        (one.state.as_str(), one.attempts) == ("delivered", attempts)
    };
    daemon
        .until(|all| {
            let of_it = || all.iter().filter(|one| one.order.as_ref() == Some(&number));
            of_it().count() == CALM.len() && of_it().all(is_received)
        })
        .await;
}

/// The next moment at which something falls due, and a little more: what waits equally long does so up to a tenth more.
fn next_step(daemon: &Daemon, now: Timestamp) -> Option<SignedDuration> {
    let sql = "SELECT min(due_at) FROM deliveries WHERE state = 'waiting'";
    let due: Option<i64> = daemon.connection().query_row(sql, [], |row| row.get(0)).expect("a time");
    let wait = SignedDuration::from_millis(due? - now.as_millisecond());
    Some(wait.max(SignedDuration::ZERO) * 5 / 4 + SignedDuration::from_secs(1))
}

/// What became of a cell.
struct Row {
    /// Messages that the receiver took, each once; a mail once for each recipient.
    counted: usize,
    repeats: usize,
    state: String,
    attempts: u32,
}

fn outcomes(daemon: &Daemon, delivery_row: &DeliveryRow) -> Vec<(i64, String)> {
    let connection = daemon.connection();
    let sql = "SELECT part, coalesce(outcome, 'under way') FROM attempts WHERE delivery = ?1 ORDER BY seq";
    let mut select = connection.prepare(sql).expect("a statement");
    let found = select.query_map(params![delivery_row.id.0.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    found.expect("rows").collect::<Result<_, _>>().expect("rows")
}

/// Compares a cell with the rules. `came` is what its receiver has seen of the order.
fn judge(
    cell: &Cell,
    delivery_row: &DeliveryRow,
    attempts: &[(i64, String)],
    came: &[Received],
) -> Result<Row, String> {
    let mut wanted = cell.attempts();
    if cell.end == End::TooLong {
        // Half of what was refused has no room for the whole, so it goes in several parts.
        let parts = attempts.iter().map(|(part, _)| *part + 1).max().unwrap_or(0);
        wanted.extend((1..parts.max(2)).map(|part| (part, "delivered")));
    }
    let fits = |(part, outcome): &(i64, String), wanted: &(i64, &str)| {
        *part == wanted.0 && wanted.1.split(" or ").any(|wanted| wanted == outcome)
    };
    if attempts.len() != wanted.len() || !attempts.iter().zip(&wanted).all(|(is, wanted)| fits(is, wanted)) {
        return Err(format!("attempts came to {attempts:?}, not {wanted:?}"));
    }
    let delivered = attempts.iter().filter(|(_, outcome)| outcome == "delivered").count();
    let state = if delivered > 0 { "delivered" } else { "dead" };
    if (delivery_row.state.as_str(), delivery_row.attempts as usize) != (state, attempts.len()) {
        return Err(format!("the store says {} after {} attempts", delivery_row.state, delivery_row.attempts));
    }
    let taken: Vec<&Received> = came.iter().filter(|one| one.verdict == MockVerdict::Accepted).collect();
    let refused = came.iter().find(|one| matches!(one.verdict, MockVerdict::Refused(_)));
    if let Some(refused) = refused {
        return Err(format!("the receiver finds fault with it: {:?}", refused.verdict));
    }
    let unseen = usize::from(cell.is_counted_unseen());
    if taken.len() != delivered + unseen {
        return Err(format!("the receiver counted {}, the store {delivered} and {unseen} unseen", taken.len()));
    }
    let repeats = match cell.way {
        Way::WeCom => marked(cell, attempts, &taken)?,
        _ => keyed(delivery_row, &taken)?,
    };
    if repeats != unseen {
        return Err(format!("{repeats} repeats, not {unseen}"));
    }
    Ok(Row { counted: taken.len() - repeats, repeats, state: state.to_owned(), attempts: delivery_row.attempts })
}

/// How many of those taken bear a key that was taken before. All bear the delivery's, and what bears the same is the same.
fn keyed(delivery_row: &DeliveryRow, taken: &[&Received]) -> Result<usize, String> {
    let mut known: Vec<&Received> = Vec::new();
    let mut repeats = 0;
    for one in taken {
        let key = one.key.as_deref().unwrap_or_default();
        if !key.contains(&delivery_row.id.to_string()) {
            return Err(format!("{key:?} is not a key of {}", delivery_row.id));
        }
        match known.iter().find(|other| other.key == one.key && other.address == one.address) {
            Some(other) if other.body != one.body => return Err(format!("{key} was sent twice in different words")),
            Some(_) if !one.repeat => return Err(format!("{key} is a repeat, and the receiver does not know it")),
            Some(_) => repeats += 1,
            None => known.push(one),
        }
    }
    Ok(repeats)
}

/// A receiver without keys: what may have arrived before bears the mark, and nothing else does.
fn marked(cell: &Cell, attempts: &[(i64, String)], taken: &[&Received]) -> Result<usize, String> {
    let may_have_arrived = attempts.iter().any(|(_, outcome)| outcome == "unknown");
    // What goes in parts is marked in the first of them.
    let firsts = if cell.end == End::TooLong { &taken[..1] } else { taken };
    for (at, one) in firsts.iter().enumerate() {
        let text = one.text.as_deref().unwrap_or_default();
        let is_first = at == 0 && (!may_have_arrived || cell.is_counted_unseen());
        if text.contains(MARK) == is_first {
            return Err(format!("message {at} is {}marked: {text}", if is_first { "" } else { "not " }));
        }
    }
    Ok(firsts.len().saturating_sub(1))
}

fn title(cells: &[Cell]) -> String {
    format!(
        "{} cells. Senseless:\n{}",
        cells.len(),
        SENSELESS
            .iter()
            .map(|(ways, ends, why)| format!("  {:?} × {:?}: {why}\n", ways.to_vec(), ends.to_vec()))
            .collect::<String>()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_says_and_whatever_befalls_it_the_receivers_count_is_the_stores() {
    let cells = cells();
    let scene = Scene::still(Timestamp::now(), rules(&cells)).await;
    let mail_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mail = scene.sandbox.serve_mail(mail_listener, MailServer::default());
    let doors = Doors { http: ShutDoor::new(), smtp: ShutDoor::new(), mail };
    let mut text: String =
        cells.iter().map(|cell| channel(&scene, &doors, cell.way, &cell.name, cell.moment)).collect();
    WAYS.into_iter().zip(CALM).for_each(|(way, name)| text += &channel(&scene, &doors, way, name, Moment::Whole));
    let all: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).chain(CALM).collect();
    text += &format!("[[route]]\nevents = [\"order.placed\"]\nto = {all:?}\n");
    text += &format!("[[route]]\nevents = [\"order.accepted\"]\nto = {CALM:?}\n");
    let mut config = scene.config(&text);
    hasten(&mut config, &cells);
    let daemon = scene.start_with(config, scene.folder.path()).await;
    for cell in &cells {
        let order = |place: &str, fault| scene.sandbox.order(place, fault, Times::Next(1));
        cell.faults().into_iter().for_each(|fault| order(&cell.place(), fault));
        if (cell.way, cell.end) == (Way::Mail, End::Rejected) {
            said(cell.way, cell.end).into_iter().for_each(|fault| order(&cell.recipients()[1], fault));
        }
    }

    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    until_calm(&scene, &daemon, 1000).await;
    let late = cells.iter().filter(|cell| cell.moment == Moment::Late).count();
    let (under_way, _) = busy(&daemon, scene.hands.now());
    assert!(
        under_way >= i64::try_from(late).expect("few"),
        "they wait for nobody: {under_way} of {late} are under way"
    );
    until_quiet(&scene, &daemon).await;
    let Doors { http, smtp, .. } = doors;
    scene.sandbox.serve_also(http.open());
    scene.sandbox.serve_mail(smtp.open(), MailServer::default());
    let mut steps = 0;
    while let Some(step) = next_step(&daemon, scene.hands.now()) {
        steps += 1;
        assert!(steps < MOST_STEPS, "it does not come to an end");
        scene.forward(step);
        until_calm(&scene, &daemon, 1000 + u64::from(steps)).await;
        until_quiet(&scene, &daemon).await;
    }

    let (delivery_rows, came) = (daemon.deliveries().await, scene.sandbox.messages());
    let mut table = format!(
        "{:<10}{:<17}{:<9}{:>8} {:<10}{:>8}{:>9}\n",
        "channel", "outcome", "moment", "counted", "state", "attempts", "repeats"
    );
    let mut wrong = Vec::new();
    for cell in &cells {
        let delivery_row: Vec<_> =
            delivery_rows.iter().filter(|delivery_row| delivery_row.channel == cell.name).collect();
        let [delivery_row] = delivery_row.as_slice() else { panic!("{}: {delivery_row:?}", cell.name) };
        let names = BTreeSet::from_iter(cell.recipients().into_iter().chain([cell.name.clone()]));
        let came: Vec<_> = came.iter().filter(|one| names.contains(&one.address.name)).cloned().collect();
        let attempts = outcomes(&daemon, delivery_row);
        match judge(cell, delivery_row, &attempts, &came) {
            Ok(Row { counted, repeats, state, attempts }) => {
                let (way, end, moment) = (word(cell.way), word(cell.end), word(cell.moment));
                table += &format!("{way:<10}{end:<17}{moment:<9}{counted:>8} {state:<10}{attempts:>8}{repeats:>9}\n");
            }
            Err(why) => wrong.push(format!("{}: {why}", cell.name)),
        }
        scene.sandbox.clear_faults(&cell.place());
    }
    println!("{}\n{table}", title(&cells));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cells.len(), wrong.join("\n"));

    // Nothing is left behind: the next message goes through each channel at once.
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    let delivery_rows = daemon.until_done().await;
    for delivery_row in delivery_rows.iter().filter(|delivery_row| delivery_row.order.as_deref() == Some("2")) {
        let attempts = if delivery_row.channel.contains("mail") { 2 } else { 1 };
        assert_eq!((delivery_row.state.as_str(), delivery_row.attempts), ("delivered", attempts), "{delivery_row:?}");
    }
}
