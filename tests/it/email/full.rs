//! A mailbox that is full: tried late, and only once more.

use std::time::Duration;

use jiff::SignedDuration;
use orderbell::sandbox::fault::{MailPhase, Times};
use orderbell::sandbox::smtp::MailServer;

use crate::email::{AT_ONCE, COOK, OWNER, mailing, outcomes, smtp};
use crate::support::{A_WHILE, Daemon, in_time, keeta};

/// Waits until the attempts so far have come to this.
async fn until_outcomes(daemon: &Daemon, wanted: &[&str]) {
    in_time(async {
        while outcomes(daemon) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_is_tried_late_and_only_once_more() {
    // The other recipient is tried again at once, which brings the full one its turn again before it is late.
    // That it waits for hours is what this is about, and not what the operator should be notified of.
    let more = format!("{AT_ONCE}\nurgent = []");
    let (scene, daemon) = mailing(MailServer::default(), &format!("[{COOK:?}, {OWNER:?}]"), &more).await;
    let mut wanted = Vec::new();
    for (mail, last) in [(1, "full"), (2, "delivered")] {
        scene.sandbox.order(COOK, smtp(MailPhase::Recipient, Some("552 5.2.2 mailbox full")), Times::Always);
        scene.sandbox.order(OWNER, smtp(MailPhase::Recipient, Some("450 4.2.0 greylisted, later")), Times::Next(1));
        daemon.acknowledged(&keeta::placed(mail, scene.hands.now())).await;
        wanted.extend(["full", "retry", "full", "delivered"]);
        until_outcomes(&daemon, &wanted).await;
        scene.hands.forward(SignedDuration::from_hours(4));
        scene.nothing_more(A_WHILE).await;
        assert_eq!(outcomes(&daemon), wanted, "four hours are too early");
        if last == "delivered" {
            scene.sandbox.clear_faults(COOK);
        }
        scene.hands.forward(SignedDuration::from_mins(160));
        wanted.push(last);
        until_outcomes(&daemon, &wanted).await;
    }
    daemon.until_done().await;
    assert_eq!(scene.received(COOK).len(), 1, "there was room in time for the second");
    let notices = scene.until_received("robot", 1).await;
    assert!(
        notices.len() == 1 && notices[0].text.as_deref().is_some_and(|text| text.contains("552 5.2.2")),
        "{notices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_retry_of_one_full_mailbox_is_not_taken_for_that_of_another() {
    let more = "retry = [\"3h\", \"4h\"]\nurgent = []";
    let (scene, daemon) = mailing(MailServer::default(), &format!("[{COOK:?}, {OWNER:?}]"), more).await;
    let full = || smtp(MailPhase::Recipient, Some("552 5.2.2 mailbox full"));
    scene.sandbox.order(COOK, full(), Times::Always);
    scene.sandbox.order(OWNER, smtp(MailPhase::Recipient, Some("450 4.2.0 greylisted, later")), Times::Next(2));
    // The owner's mailbox is found full for the first time at the late retry of the cook's.
    scene.sandbox.order(OWNER, full(), Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let mut wanted = Vec::new();
    for (came, minutes) in [(&["full", "retry"][..], 210), (&["full", "retry"], 270), (&["full", "full"], 400)] {
        wanted.extend(came);
        until_outcomes(&daemon, &wanted).await;
        scene.hands.forward(SignedDuration::from_mins(minutes));
    }
    wanted.push("delivered");
    until_outcomes(&daemon, &wanted).await;
    daemon.until_done().await;
    assert_eq!(
        (scene.received(COOK).len(), scene.received(OWNER).len()),
        (0, 1),
        "there was room in time for the owner's"
    );
}
