//! The lease of a command that sends by itself: renewed as long as it sends, and free at the end.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use orderbell::flow::command_lease::CommandLease;
use orderbell::store::leases::Leases;

use crate::instances::A_LEASE_S;
use crate::instances::scene::House;

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_command_is_renewed_until_it_is_released() {
    let house = House::new();
    let one = house.instance("one", &["erp"]);
    let connected = house.table.connect();
    let leases: Arc<dyn Leases> = connected.clone();
    let (credential, timeout) = ("credential of erp", SignedDuration::from_secs(15));
    let acquired = CommandLease::acquire(leases, credential, "erp", timeout, &house.clock()).await.expect("asked");
    let (lease, _) = acquired.expect("it is free");
    assert_eq!(connected.changes(), 1);
    for _ in 0..5 {
        house.wait(A_LEASE_S - 4);
        // The runtime's clock jumps to the next renewal.
        let mut seconds = 0;
        while connected.changes() == 0 {
            assert!(seconds < A_LEASE_S, "it is not renewed");
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            seconds += 1;
        }
        one.look().await;
        assert!(house.holders()["erp"].starts_with("test"), "{:?}", house.holders());
        assert_eq!(lease.tenure().remaining(house.clock().elapsed()), Some(timeout + SignedDuration::from_secs(20)));
    }
    // The answer takes so long that another renewal would be due.
    connected.answer_releases_after(Duration::from_secs(60));
    lease.release().await;
    assert_eq!(connected.changes(), 1, "nothing is renewed any more");
    one.look().await;
    assert_eq!(house.holders()["erp"], "one");
}
