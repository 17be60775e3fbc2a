//! A PostgreSQL database of one round, on the server that the command line names.

use tokio::runtime::Builder;
use tokio_postgres::NoTls;

/// It goes when this is dropped.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// On a server, by the address of a user that may make databases.
    pub fn make(server: &str) -> Self {
        let name = format!("orderbell_bench_{}", std::process::id());
        run(server, &[&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), &format!("CREATE DATABASE {name}")]);
        Self { server: server.to_owned(), name }
    }

    /// As a configuration has it.
    pub fn address(&self) -> String {
        let mut address = url::Url::parse(&self.server).expect("the address of a server");
        address.set_path(&self.name);
        address.into()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(&self.server, &[&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]);
    }
}

fn run(server: &str, statements: &[&str]) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(server, NoTls).await.expect("the server of --postgres answers");
        let running = tokio::spawn(connection);
        for statement in statements {
            client.batch_execute(statement).await.expect("the user of --postgres may make databases");
        }
        running.abort();
    });
}
