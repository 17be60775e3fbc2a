//! What came to the receivers of a scene, and waiting for it.

use std::time::Duration;

use orderbell::sandbox::inbox::Received;

use crate::support::{Scene, in_time};

impl Scene {
    /// What came to one receiver, refused requests and faults included.
    pub fn came_to(&self, name: &str) -> Vec<Received> {
        self.sandbox.messages().into_iter().filter(|received| received.address.name == name).collect()
    }

    /// What people at one receiver have got.
    pub fn received(&self, name: &str) -> Vec<Received> {
        self.came_to(name).into_iter().filter(Received::is_message).collect()
    }

    /// Waits until the people behind a receiver have read so many messages.
    pub async fn until_received(&self, name: &str, count: usize) -> Vec<Received> {
        let mut arrivals = self.sandbox.subscribe();
        in_time(async {
            loop {
                let received = self.received(name);
                if received.len() >= count {
                    return received;
                }
                arrivals.recv().await.expect("the sandbox runs");
            }
        })
        .await
    }

    /// Waits to see that nothing more comes.
    pub async fn nothing_more(&self, within: Duration) {
        let mut collector = self.sandbox.collector();
        let already = usize::try_from(self.sandbox.counts().accepted).expect("few");
        collector.wait_for(already, within).await.expect("they are here already");
        collector.nothing_more(within).await.expect("nothing more");
    }

    /// Waits until so many requests came to a receiver, however it answered.
    pub async fn until_came(&self, name: &str, count: usize) -> Vec<Received> {
        let mut arrivals = self.sandbox.subscribe();
        in_time(async {
            loop {
                let came = self.came_to(name);
                if came.len() >= count {
                    return came;
                }
                arrivals.recv().await.expect("the sandbox runs");
            }
        })
        .await
    }
}
