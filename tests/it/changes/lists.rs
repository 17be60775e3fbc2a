//! Lists of deliveries of any length.

use orderbell::store::history::list::{DeliveryFilter, Start};

use crate::changes::Scene;

#[tokio::test]
async fn lists_of_any_length_are_read_page_by_page_from_the_newest_so_many() {
    let scene = Scene::new();
    let ids = scene.deliveries(25).await;
    for id in &ids[..5] {
        scene.set(*id, "state = 'dead', channel = 'owner'");
    }
    let reader = &scene.store;
    let all = DeliveryFilter::default();
    let dead = DeliveryFilter { state: Some("dead".to_owned()), channel: Some("owner".to_owned()), ..all.clone() };
    let nobody = DeliveryFilter { channel: Some("nobody".to_owned()), ..DeliveryFilter::default() };
    let counts = [&all, &dead, &nobody].map(|wanted| reader.count(wanted.clone()));
    assert_eq!(
        futures_util::future::join_all(counts).await.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
        [25, 5, 0]
    );
    for (newest, first) in [(1, Some(ids[24])), (7, Some(ids[18])), (25, Some(ids[0])), (26, None)] {
        assert_eq!(reader.first_of_newest(all.clone(), newest).await.unwrap(), first, "{newest}");
    }
    assert_eq!(reader.first_of_newest(dead.clone(), 2).await.unwrap(), Some(ids[3]));
    let (mut read, mut start) = (Vec::new(), Start::Beginning);
    loop {
        let page = reader.page(all.clone(), start, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        start = Start::After(last.id);
        read.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(read, ids);
    let orders = (0..40_000).map(|number| ("s".to_owned(), number.to_string())).collect();
    let many = DeliveryFilter { orders: Some(orders), ..DeliveryFilter::default() };
    scene.connection().execute("UPDATE events SET order_number = '39999'", []).unwrap();
    assert_eq!(reader.count(many).await.unwrap(), 25);
    let page = reader.page(dead, Start::At(ids[3]), 10).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id).collect::<Vec<_>>(), ids[3..5]);
}
