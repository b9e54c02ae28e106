# SPDX-License-Identifier: Apache-2.0
# ebbd on every client of Nomad. The driver raw_exec must be allowed there; ebbd is root.
job "ebbd" {
  datacenters = ["dc1"]
  type        = "system"

  group "ebbd" {
    network {
      mode = "host"
      port "http" {
        static = 8080
      }
      port "status" {
        static = 8079
      }
    }

    service {
      name     = "ebb"
      provider = "nomad"
      port     = "http"

      # Takes new work: services are known, instances start and are billed, and nobody drained the host.
      check {
        name     = "ready"
        type     = "http"
        port     = "status"
        path     = "/readyz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "ebbd" {
      driver       = "raw_exec"
      kill_signal  = "SIGTERM"
      kill_timeout = "90s"

      config {
        command = "/usr/sbin/ebbd"
        args    = ["--config", "local/ebbd.conf"]
      }

      # SIGHUP: settings that can change at run time do.
      template {
        destination   = "local/ebbd.conf"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<EOF
listen = 0.0.0.0:8080
status_listen = 0.0.0.0:8079
drain_ms = 60000
EOF
      }

      resources {
        cpu    = 500
        memory = 512
      }
    }
  }
}
