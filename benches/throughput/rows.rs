//! The rows of the table by name, and what each has to be measured by.

use crate::requests::Content;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Bare poem behind an append-only log with grouped `fdatasync`: the least that a durable answer costs.
    AppendLog,
    /// Order accepted, no route.
    Thin,
    /// Order placed, no route.
    Order,
    /// Order placed, a delivery each to two channels that are parked.
    OrderTwoWaiting,
    /// Order accepted, one WebHook sent and settled.
    ThinDelivered,
    /// Order placed, one WebHook sent and settled.
    OrderDelivered,
    /// As [`Row::Order`], on PostgreSQL, by one instance.
    OnPostgres,
    /// As [`Row::OrderDelivered`], on PostgreSQL, by one instance.
    OnPostgresDelivered,
    /// As [`Row::OnPostgres`], by two instances that take turns.
    ByTwo,
    /// As [`Row::OnPostgresDelivered`], by two instances that take turns.
    ByTwoDelivered,
    /// From a webhook to the receiver of its WebHook, at fifty orders a second.
    Steady,
    /// Start-up, memory and wake-ups of a daemon that has nothing to do.
    Rest,
    /// With very many deliveries waiting for a parked channel.
    Waiting,
    /// With very many events in the store.
    Old,
    /// What the API answers, with as many deliveries waiting as in [`Row::Waiting`].
    ApiWaiting,
    /// What the API answers, with as many events as in [`Row::Old`].
    ApiOld,
    /// What the page shows, with as many deliveries waiting as in [`Row::Waiting`].
    PageWaiting,
    /// What the page shows, with as many events as in [`Row::Old`].
    PageOld,
    /// While the write-ahead log is emptied into the database over and over.
    Checkpoint,
    /// While old events are removed.
    Sweep,
    /// While reports are made.
    Report,
    /// While the store is copied.
    Backup,
    /// The store of an older version is converted.
    Conversion,
}

pub const ALL: [Row; 23] = [
    Row::AppendLog,
    Row::Thin,
    Row::Order,
    Row::OrderTwoWaiting,
    Row::ThinDelivered,
    Row::OrderDelivered,
    Row::OnPostgres,
    Row::OnPostgresDelivered,
    Row::ByTwo,
    Row::ByTwoDelivered,
    Row::Steady,
    Row::Rest,
    Row::Waiting,
    Row::Old,
    Row::ApiWaiting,
    Row::ApiOld,
    Row::PageWaiting,
    Row::PageOld,
    Row::Checkpoint,
    Row::Sweep,
    Row::Report,
    Row::Backup,
    Row::Conversion,
];

/// How a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// In turn with a constant.
    Throughput,
    /// The same, on the server of `--postgres`.
    Postgres,
    Steady,
    Rest,
    /// In turn with an empty store.
    Large,
    /// On the same stores.
    Api,
    /// In turn with the same daemon while it has nothing else to do.
    Beside,
    /// At the start on a store of an older version.
    Conversion,
}

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Self::AppendLog => "append-log",
            Self::Thin => "thin",
            Self::Order => "order",
            Self::OrderTwoWaiting => "order-two-waiting",
            Self::ThinDelivered => "thin-delivered",
            Self::OrderDelivered => "order-delivered",
            Self::OnPostgres => "postgres-order",
            Self::OnPostgresDelivered => "postgres-order-delivered",
            Self::ByTwo => "two-order",
            Self::ByTwoDelivered => "two-order-delivered",
            Self::Steady => "steady",
            Self::Rest => "rest",
            Self::Waiting => "waiting",
            Self::Old => "old",
            Self::ApiWaiting => "api-waiting",
            Self::ApiOld => "api-old",
            Self::PageWaiting => "page-waiting",
            Self::PageOld => "page-old",
            Self::Checkpoint => "checkpoint",
            Self::Sweep => "sweep",
            Self::Report => "report",
            Self::Backup => "backup",
            Self::Conversion => "conversion",
        }
    }

    pub fn method(self) -> Method {
        match self {
            Self::AppendLog
            | Self::Thin
            | Self::Order
            | Self::OrderTwoWaiting
            | Self::ThinDelivered
            | Self::OrderDelivered => Method::Throughput,
            Self::OnPostgres | Self::OnPostgresDelivered | Self::ByTwo | Self::ByTwoDelivered => Method::Postgres,
            Self::Steady => Method::Steady,
            Self::Rest => Method::Rest,
            Self::Waiting | Self::Old => Method::Large,
            Self::ApiWaiting | Self::ApiOld | Self::PageWaiting | Self::PageOld => Method::Api,
            Self::Checkpoint | Self::Sweep | Self::Report | Self::Backup => Method::Beside,
            Self::Conversion => Method::Conversion,
        }
    }

    /// The rows that are meant by the name of one or of a group.
    ///
    /// # Errors
    /// Which names there are.
    pub fn named(name: &str) -> Result<Vec<Self>, String> {
        let of = |methods: &[Method]| ALL.into_iter().filter(|row| methods.contains(&row.method())).collect();
        let rows: Vec<Self> = match name {
            "all" => ALL.to_vec(),
            "usual" => of(&[Method::Throughput, Method::Steady, Method::Rest]),
            "postgres" => of(&[Method::Postgres]),
            "large" => of(&[Method::Large]),
            "api" => vec![Self::ApiWaiting, Self::ApiOld],
            "page" => vec![Self::PageWaiting, Self::PageOld],
            "beside" => of(&[Method::Beside]),
            _ => ALL.into_iter().filter(|row| row.name() == name).collect(),
        };
        match rows.is_empty() {
            true => Err(format!(
                "there is no row {name}; there are {}, usual, postgres, large, api, page, beside and all",
                names()
            )),
            false => Ok(rows),
        }
    }

    /// How many daemons take the webhooks.
    pub fn instances(self) -> usize {
        match self {
            Self::ByTwo | Self::ByTwoDelivered => 2,
            _ => 1,
        }
    }

    /// Whether each is delivered while it is measured.
    pub fn delivers(self) -> bool {
        matches!(self, Self::ThinDelivered | Self::OrderDelivered | Self::OnPostgresDelivered | Self::ByTwoDelivered)
    }

    pub fn content(self) -> Content {
        match self {
            Self::AppendLog | Self::Thin | Self::ThinDelivered => Content::Thin,
            _ => Content::Order,
        }
    }
}

fn names() -> String {
    ALL.map(Row::name).join(", ")
}
