# SPDX-License-Identifier: Apache-2.0
# Services as a job: they are there while `ebb up --attach` runs, and its output is theirs.
job "shop" {
  datacenters = ["dc1"]
  type        = "service"

  group "shop" {
    task "up" {
      driver       = "raw_exec"
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        command = "/usr/bin/ebb"
        args    = ["up", "--attach", "--file", "local/ebb.json"]
      }

      # SIGHUP: the file is read again and applied; a wrong one changes nothing.
      template {
        destination   = "local/ebb.json"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<EOF
{ "services": {
    "shop": { "runtime": "container", "entrypoint": "shop", "memory": 256, "hosts": ["shop.example"] } } }
EOF
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
