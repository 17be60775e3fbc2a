//! Which jobs share a transaction.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;

/// How many jobs share a transaction at most.
const MOST: usize = 1024;
/// While so many begins and ends of attempts share one, messages are being sent in numbers.
const IN_NUMBERS: usize = 3;
/// Then it is looked so often whether more has come.
const STEP: Duration = Duration::from_micros(200);
/// And so many times at most.
const STEPS: usize = 15;

/// Makes groups of jobs. What is queued is one group. While messages are sent in numbers, each of them comes twice, and what they
/// change stands on the same pages: then a group waits for a moment, as long as it grows. A webhook alone waits for nothing.
#[derive(Default)]
pub struct Grouping {
    is_sending: bool,
}

impl Grouping {
    /// The group that begins with this job. `is_of_sending` says whether a job begins or ends an attempt.
    pub fn group<T>(
        &mut self,
        first: T,
        jobs: &mut Receiver<T>,
        is_of_sending: impl Fn(&T) -> bool,
        mut wait: impl FnMut(Duration),
    ) -> Vec<T> {
        let mut queued = jobs.len();
        for _ in 0..if self.is_sending { STEPS } else { 0 } {
            wait(STEP);
            let before = std::mem::replace(&mut queued, jobs.len());
            if queued <= before {
                break;
            }
        }
        let mut group = vec![first];
        while group.len() < MOST
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        self.is_sending = group.iter().filter(|job| is_of_sending(job)).nth(IN_NUMBERS - 1).is_some();
        group
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const RECORD: u32 = 0;
    const SEND: u32 = 1;

    /// Groups one after another, each with what is queued before it and what comes while it waits; with how often it waited.
    fn grouped(queued: &[(&[u32], &[&[u32]])]) -> Vec<(usize, usize)> {
        let (sender, mut jobs) = mpsc::channel(MOST * 2);
        let put = |some: &[u32]| some.iter().for_each(|job| sender.try_send(*job).unwrap());
        let mut grouping = Grouping::default();
        let one = |(before, meanwhile): &(&[u32], &[&[u32]])| {
            put(before);
            let (mut coming, mut waited) = (meanwhile.iter(), 0);
            let wait = |_| {
                waited += 1;
                put(coming.next().unwrap_or(&&[][..]));
            };
            let first = jobs.try_recv().unwrap();
            let group = grouping.group(first, &mut jobs, |job| *job == SEND, wait);
            (group.len(), waited)
        };
        queued.iter().map(one).collect()
    }

    #[test]
    fn webhooks_alone_and_a_few_messages_wait_for_nothing() {
        let webhooks = [RECORD; 40];
        assert_eq!(
            grouped(&[(&webhooks, &[]), (&webhooks, &[]), (&[SEND, SEND], &[]), (&[SEND], &[])]),
            [(40, 0), (40, 0), (2, 0), (1, 0)]
        );
    }

    #[test]
    fn while_messages_are_sent_in_numbers_a_group_waits_as_long_as_it_grows() {
        let groups = grouped(&[
            (&[SEND; 3], &[]),
            (&[RECORD], &[&[SEND], &[SEND, RECORD], &[], &[SEND]]),
            // In the one before were two of them only.
            (&[SEND], &[]),
        ]);
        assert_eq!(groups, [(3, 0), (4, 3), (1, 0)]);
    }

    #[test]
    fn it_never_waits_for_long_and_no_group_is_too_large() {
        let more: Vec<&[u32]> = vec![&[SEND]; 2 * STEPS];
        assert_eq!(grouped(&[(&[SEND; 3], &[]), (&[SEND], &more)]), [(3, 0), (1 + STEPS, STEPS)]);
        assert_eq!(grouped(&[(&[SEND; MOST + 7], &[])]), [(MOST, 0)]);
    }
}
