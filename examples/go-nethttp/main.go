// SPDX-License-Identifier: Apache-2.0

// An ordinary server of net/http; nothing in it knows of ebb.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

func hello(w http.ResponseWriter, r *http.Request) {
	log.Println(r.Method, r.URL)
	fmt.Fprintln(w, "hello from go")
}

func sleep(w http.ResponseWriter, r *http.Request) {
	ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		json.NewEncoder(w).Encode(map[string]int{"slept_ms": ms})
	case <-r.Context().Done():
	}
}

// Reads the whole body first: over HTTP/1.1 net/http ends it when the answer begins.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.Write(body)
}

// What the run-time believes that it has.
func limits(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(map[string]int64{
		"cpus": int64(runtime.GOMAXPROCS(0)), "memory": debug.SetMemoryLimit(-1)})
}

func main() {
	http.HandleFunc("/", hello)
	http.HandleFunc("/sleep", sleep)
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/limits", limits)
	server := http.Server{Addr: ":" + os.Getenv("PORT")}
	ended, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		<-ended.Done()
		server.Shutdown(context.Background())
		close(stopped)
	}()
	log.Println("listening on", server.Addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-stopped
}
