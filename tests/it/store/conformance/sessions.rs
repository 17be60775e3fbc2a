//! Who is logged in to the page.

use orderbell::domain::session::{LoginSession, SessionDigest};
use orderbell::store::sessions::SESSIONS_OF_A_TOKEN;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::at;

fn session(number: u8, token: &str, used: i64) -> LoginSession {
    LoginSession {
        digest: SessionDigest([number; 32]),
        token: token.to_owned(),
        proof: [255 - number; 32],
        begun_at: at(1),
        used_at: at(used),
        browser: "Firefox, Linux".to_owned(),
    }
}

pub async fn a_session_is_known_by_its_digest_over_restarts_until_it_is_ended(place: Place) {
    let store = place.open(0).await;
    let (ann, bob) = (session(1, "ann", 1), session(2, "bob", 2));
    store.begin_session(ann.clone()).await.expect("begun");
    store.begin_session(bob.clone()).await.expect("begun");
    assert!(store.begin_session(ann.clone()).await.is_err(), "a digest is that of one session");
    store.close().await;
    let (store, beside) = (place.open(10).await, place.open_beside().await);
    assert_eq!(store.session(ann.digest).await.expect("reading"), Some(ann.clone()));
    assert_eq!(beside.session(SessionDigest([3; 32])).await.expect("reading"), None);
    assert_eq!(store.sessions().await.expect("reading"), [bob.clone(), ann.clone()], "the last used first");
    beside.note_use(ann.digest, at(5)).await.expect("noted");
    store.note_use(ann.digest, at(4)).await.expect("noted, and it was used later already");
    let used = LoginSession { used_at: at(5), ..ann.clone() };
    assert_eq!(store.sessions().await.expect("reading"), [used, bob.clone()]);
    assert!(beside.end_session(ann.digest).await.expect("ended"));
    assert!(!store.end_session(ann.digest).await.expect("there is none"));
    store.note_use(ann.digest, at(6)).await.expect("it is not made anew");
    assert_eq!(store.sessions().await.expect("reading"), [bob]);
}

pub async fn sessions_that_are_not_used_or_too_old_are_swept_whatever_the_clock_was(place: Place) {
    let store = place.open(0).await;
    let begun = |number, begun, used| LoginSession { begun_at: at(begun), ..session(number, "ann", used) };
    for kept in [begun(1, 100, 100), begun(2, 0, 500), begun(3, 100, 500), begun(4, 90_000, 90_000)] {
        store.begin_session(kept).await.expect("begun");
    }
    assert_eq!(store.sweep_sessions(at(100), at(0), at(1000)).await.expect("swept"), 2);
    let left = store.sessions().await.expect("reading");
    assert_eq!(left, [begun(4, 1000, 1000), begun(3, 100, 500)], "what was of the future is of now");
    assert_eq!(store.sweep_sessions(at(1000), at(0), at(2000)).await.expect("swept"), 2);
}

pub async fn of_one_token_so_many_sessions_are_kept_the_last_used(place: Place) {
    let store = place.open(0).await;
    store.begin_session(session(0, "bob", 0)).await.expect("begun");
    let number = |number: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        LoginSession { digest: SessionDigest(digest), ..session(0, "ann", i64::from(number)) }
    };
    for count in 1..=SESSIONS_OF_A_TOKEN + 2 {
        store.begin_session(number(count)).await.expect("begun");
    }
    let left = store.sessions().await.expect("reading");
    assert_eq!(left.len(), SESSIONS_OF_A_TOKEN as usize + 1, "and that of the other one");
    assert!(!left.contains(&number(2)) && left.contains(&number(3)));
}
