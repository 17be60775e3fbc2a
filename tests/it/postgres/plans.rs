//! How PostgreSQL searches for every statement that receiving and sending need, with tables that are full: by an index, never
//! through a whole table; and that its tables are those of every store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderbell::store;
use orderbell::store::postgres::statement;
use orderbell::store::sql::transfer::{OF_THE_DATABASE, TABLES};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::postgres::cluster::{Database, value};
use crate::store::conformance::scene::at;
use crate::store::plans::{FILES, ONCE, statements};

/// A year of a busy shop: what was delivered long ago, and a little that waits.
const FULL: &str = "
    INSERT INTO events (seq, id, received_at, kind, source, order_number, unproven, routes, packed)
        SELECT n, decode(lpad(to_hex(n), 32, '0'), 'hex'), n * 1000, 'order.placed', 's', 'o' || n / 3, 0, 'x:a', '\\x00'
        FROM generate_series(1, 100000) n;
    INSERT INTO repeat_keys SELECT 's', '1001:' || n, decode(lpad(to_hex(n), 32, '0'), 'hex'), NULL, n * 1000
        FROM generate_series(1, 100000) n;
    INSERT INTO orders (source, number, packed, day_at) SELECT 's', 'o' || n, '\\x00', n * 3000 FROM generate_series(0, 33333) n;
    INSERT INTO ledger (event, source, order_number, figure, count, effect_at, recorded_at)
        SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 's', 'o' || n / 3, 'orders', 1, n * 1000, n * 1000
        FROM generate_series(1, 100000) n;
    INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, attempts, urgent, outcome)
        SELECT decode(lpad(to_hex(n + 10000000), 32, '0'), 'hex'), decode(lpad(to_hex(n), 32, '0'), 'hex'), n,
            (ARRAY['kitchen', 'owner', 'erp', 'mail'])[1 + n % 4], 's/o' || n / 3,
            CASE WHEN n > 99000 THEN 'waiting' WHEN n % 50 = 0 THEN 'dead' ELSE 'delivered' END,
            n * 1000, n * 1000, CASE WHEN n > 99500 THEN 0 ELSE 1 END, n % 2, CASE WHEN n > 99500 THEN NULL ELSE 'delivered' END
        FROM generate_series(1, 100000) n;
    INSERT INTO attempts (delivery, part, form, started_at, ended_at, outcome, answer)
        SELECT decode(lpad(to_hex(n + 10000000), 32, '0'), 'hex'), 0, 'full', n * 1000,
            CASE WHEN n > 99495 THEN NULL ELSE n * 1000 END, 'delivered', 'ok'
        FROM generate_series(1, 99500) n;
    INSERT INTO steps (delivery, at, step, detail)
        SELECT decode(lpad(to_hex(n + 10000000), 32, '0'), 'hex'), n * 1000, 'held', '' FROM generate_series(1, 20000) n;
    INSERT INTO parts (delivery, form, part, body)
        SELECT decode(lpad(to_hex(n + 10000000), 32, '0'), 'hex'), 'full', 0, 'hello' FROM generate_series(1, 20000) n;
    ANALYZE";

/// Those that grow without end.
const LARGE: [&str; 8] = ["events", "deliveries", "repeat_keys", "orders", "attempts", "ledger", "steps", "parts"];

/// The database's plan for whatever is given; `None` of a statement that is a part of another.
async fn plan(client: &Client, sql: &str) -> Option<Vec<String>> {
    let sql = statement::single(sql);
    let given = (1..20).rev().find(|number| sql.contains(&format!("${number}"))).unwrap_or(0);
    client.batch_execute(&format!("DEALLOCATE ALL; PREPARE asked AS {sql}")).await.ok()?;
    let given = if given == 0 { String::new() } else { format!("({})", vec!["NULL"; given].join(", ")) };
    let steps = client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE asked{given}")).await.expect("a plan");
    let step = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    Some(steps.into_iter().filter_map(step).collect())
}

fn goes_through(plan: &[String]) -> bool {
    let is_large = |step: &str| {
        let (_, table) = step.split_once("Seq Scan on ")?;
        LARGE.contains(&table.split(' ').next()?).then_some(())
    };
    plan.iter().any(|step| is_large(step).is_some())
}

#[tokio::test]
async fn no_statement_of_the_way_in_or_out_goes_through_a_full_table() {
    let Some(database) = Database::make().await else { return };
    store::open(&database.store_url(), at(0)).await.expect("the store").close().await;
    let client = database.connect().await;
    client.batch_execute(FULL).await.expect("full tables");
    client.batch_execute("SET plan_cache_mode = force_generic_plan").await.expect("set");
    assert!(goes_through(&plan(&client, "SELECT 1 FROM deliveries WHERE answer = ?1").await.expect("a plan")));
    let (mut explained, mut faults) = (0, Vec::new());
    for file in FILES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql").join(file).with_extension("rs");
        let source = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        for sql in statements(&source) {
            let Some(plan) = plan(&client, &sql).await else { continue };
            explained += 1;
            if goes_through(&plan) && !ONCE.iter().any(|once| sql.starts_with(once)) {
                faults.push(format!("{file}: {sql}\n  {}", plan.join("\n  ")));
            }
        }
    }
    assert!(explained > 80, "{explained} statements are known");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn many_keys_are_looked_up_by_the_index_in_one_query() {
    let Some(database) = Database::make().await else { return };
    store::open(&database.store_url(), at(0)).await.expect("the store").close().await;
    let client = database.connect().await;
    client.batch_execute(FULL).await.expect("full tables");
    let sql = "SELECT event, content, at FROM repeat_keys WHERE source = ?1 AND key = ?2";
    let sql = statement::many_found(sql, &[Some("text[]"), Some("text[]")]);
    client.batch_execute(&format!("PREPARE asked AS {sql}")).await.expect("a statement");
    let keys = (0..500).map(|number| format!("1001:{number}")).collect::<Vec<_>>().join(",");
    let sources = vec!["s"; 500].join(",");
    let keys = format!("'{{{sources}}}', '{{{keys}}}'");
    let plan = client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE asked({keys})")).await.expect("a plan");
    let plan = format!("{plan:?}");
    assert!(plan.contains("Index Scan using repeat_keys_pkey") && !plan.contains("Seq Scan"), "{plan}");
}

#[tokio::test]
async fn every_table_is_here_with_all_its_columns_or_is_of_the_database() {
    let Some(database) = Database::make().await else { return };
    store::open(&database.store_url(), at(0)).await.expect("the store").close().await;
    let client = database.connect().await;
    let sql = "SELECT string_agg(table_name || '.' || column_name, ' ') FROM information_schema.columns WHERE table_schema = 'public'";
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in value(&client, sql).await.split(' ') {
        let (table, column) = name.split_once('.').expect("a table and a column");
        found.entry(table.to_owned()).or_default().insert(column.to_owned());
    }
    for table in TABLES {
        let columns: BTreeSet<String> = table.columns.iter().map(|column| (*column).to_owned()).collect();
        assert_eq!(found.remove(table.name), Some(columns), "{}", table.name);
    }
    assert!(found.keys().all(|name| OF_THE_DATABASE.contains(&name.as_str())), "{found:?}");
}
