# Makes the configuration of the package of config.example.toml: with paths where its daemon may write.
s|^#:schema docs/|#:schema /usr/share/doc/orderbell/|
s|"sqlite:orderbell.db"      |"sqlite:/var/lib/orderbell/orderbell.db"|
s|^# to = "backups"                 |# to = "/var/lib/orderbell/backups"|
