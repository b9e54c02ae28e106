// SPDX-License-Identifier: Apache-2.0

// net/http as it is, with the graceful stop its documentation shows.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strconv"
	"syscall"
	"time"
)

func timer(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(path.Base(r.URL.Path))
	due := time.Now().Add(time.Duration(ms) * time.Millisecond)
	time.AfterFunc(time.Until(due), func() {
		fmt.Printf("timer %d late %d ms\n", ms, time.Since(due).Milliseconds())
	})
	fmt.Fprintf(w, "timer %d set", ms)
}

func main() {
	http.HandleFunc("/timer/", timer)
	http.HandleFunc("/hello/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s from go", path.Base(r.URL.Path))
	})
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	server := http.Server{Addr: ":" + os.Getenv("PORT")}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		<-ended
		server.Shutdown(context.Background())
		close(stopped)
	}()
	fmt.Println("listening on", server.Addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-stopped
}
