//! Which kinds of platforms there are, and a configured one of any kind.

use crate::domain::settings::ReadSettings;
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::keeta::settings::Keeta;
use crate::platform::{FromSource, Platform, PlatformKind};

/// The registry: the struct of each kind, which is its implementation.
macro_rules! platforms {
    ($($variant:ident($config:ty),)*) => {
        /// One configured platform.
        #[derive(Debug)]
        pub enum Source {
            $($variant($config),)*
        }

        /// All kinds.
        pub const PLATFORMS: &[PlatformKind] = &[$(<$config>::KIND),*];

        impl Source {
            /// Reads the table of a kind, without what all sources have; `None` when something needed is wrong or missing.
            pub fn read(kind: &str, table: &mut impl ReadSettings) -> Option<Self> {
                $(if kind == <$config>::KIND.name {
                    <$config>::check(table);
                    let read = table.read::<$config>()?;
                    read.check_whole(table);
                    return Some(Self::$variant(read));
                })*
                None
            }

            pub fn platform(&self) -> &dyn Platform {
                match self {
                    $(Self::$variant(source) => source,)*
                }
            }
        }
    };
}

// A new kind is its folder, the line of its module in `mod.rs`, and its line here.
platforms! {
    Keeta(Keeta),
    Apsdai(Apsdai),
}

/// The kind of this name.
pub fn kind_named(name: &str) -> Option<&'static PlatformKind> {
    PLATFORMS.iter().find(|kind| kind.name == name)
}

/// As the configuration calls them.
pub fn names() -> Vec<&'static str> {
    PLATFORMS.iter().map(|kind| kind.name).collect()
}
