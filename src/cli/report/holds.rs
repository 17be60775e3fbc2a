//! What will hold a report at its channels when it is sent now: a paused or parked channel, one that its provider has shut for a while,
//! quiet hours, an allowance that is used up.

use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::cli::store;
use crate::config::configured::ConfiguredChannel;
use crate::domain::event::Kind;
use crate::domain::local_time;
use crate::domain::rate_limit::RateLimit;
use crate::flow::why::meaning;
use crate::flow::why::setting::count;
use crate::store::Store;
use crate::store::queue::pending::UNREADY;

/// Whatever will hold a message of a kind at a channel, one sentence each; nothing where it goes out at once.
///
/// # Errors
/// [`Failure::Failed`] where the store cannot be read.
pub async fn of_channel(
    name: &str,
    channel: &ConfiguredChannel,
    kind: &Kind,
    reader: &dyn Store,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let (way, settings) = (channel.way.channel(), &channel.settings);
    let zone = &settings.timezone.zone;
    let time = |at: Timestamp| format!("{} ({})", local_time::minute(at, zone), settings.timezone.name);
    let mut holds = Vec::new();
    if let Some(paused) = reader.paused(name).await.map_err(store::failed)? {
        let since = time(paused.since);
        holds.push(format!("the channel is paused since {since} by {}: it waits until it is resumed", paused.by));
    }
    if let Some(parked) = reader.parked(name).await.map_err(store::failed)? {
        holds.push(match parked.reason.strip_prefix(UNREADY) {
            Some(missing) => format!("the channel waits for its secret: {missing}"),
            None => {
                let known = meaning::of_answer(Some(way.kind()), "misconfigured", &parked.reason);
                let (cause, change) = known.unwrap_or(("its setting is wrong", "mend it"));
                format!("the channel is parked, because {cause}: {change}, then `orderbell test {name}` resumes it")
            }
        });
    }
    let credential = way.credential();
    let taken = reader.taken_slots().await.map_err(store::failed)?;
    if let Some((_, until, _)) = taken.closed.iter().find(|(closed, until, _)| *closed == credential && *until > now) {
        holds.push(format!("the provider takes no messages of this channel until {}", time(*until)));
    }
    if let Some(until) = settings.quiet.as_ref().and_then(|quiet| quiet.holds(kind, now, zone)) {
        holds.push(format!("the channel has quiet hours until {}", time(until)));
    }
    if let Some(allowance) = channel.allowance() {
        let permits = reader.slots_of(&credential, allowance.per, now).await.map_err(store::failed)?;
        holds.extend(pacing(allowance, &permits, time));
    }
    Ok(holds)
}

/// An ordinary message leaves the reserve of the allowance to urgent ones.
fn pacing(allowance: RateLimit, permits: &[Option<Timestamp>], time: impl Fn(Timestamp) -> String) -> Option<String> {
    let (free_at, reserve) = (allowance.held(permits, false)?, allowance.reserve());
    let until = free_at.map_or_else(|| "for a moment".to_owned(), |at| format!("until {}", time(at)));
    let kept = if reserve > 0 { format!("; {reserve} are kept for urgent ones") } else { String::new() };
    let messages = count(u64::from(allowance.count), "message", "messages");
    let sent = permits.len();
    Some(format!(
        "the channel may be sent {messages} in {:#}, {sent} of them are used up{kept}: it waits {until}",
        allowance.per
    ))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn an_allowance_holds_a_report_until_more_than_its_reserve_is_free() {
        let allowance = RateLimit { count: 6, per: SignedDuration::from_mins(1) };
        let permit = |second: i64| Timestamp::from_second(second).ok();
        let held = |permits: &[Option<Timestamp>]| pacing(allowance, permits, |at| at.as_second().to_string());
        assert_eq!(
            held(&[permit(10), permit(20), permit(30)]),
            None,
            "three are free, and two of them are the reserve"
        );
        let words = "the channel may be sent 6 messages in 1m, 4 of them are used up; 2 are kept for urgent ones: it waits until 10";
        assert_eq!(held(&[permit(10), permit(20), permit(30), permit(40)]).as_deref(), Some(words));
        let full = [permit(10), permit(20), permit(30), permit(40), None, None];
        assert!(held(&full).is_some_and(|held| held.ends_with("it waits until 30")));
        assert!(held(&[None; 4]).is_some_and(|held| held.ends_with("it waits for a moment")));
        let one = RateLimit { count: 1, ..allowance };
        assert_eq!(pacing(one, &[], |at| at.to_string()), None);
        assert!(
            pacing(one, &[permit(10)], |at| at.to_string())
                .is_some_and(|held| held.contains("1 message in 1m, 1 of them are used up: "))
        );
    }
}
