// SPDX-License-Identifier: Apache-2.0
// What functions in Go do: net/http, the network poller, files, children, signals, profiles.
package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

func files() {
	dir, _ := os.MkdirTemp("", "w")
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "a")
	os.WriteFile(name, make([]byte, 100000), 0600)
	os.Link(name, name+"1")
	os.Symlink("a", name+"2")
	os.Readlink(name + "2")
	os.Chmod(name, 0644)
	os.Chtimes(name, time.Now(), time.Now())
	os.Rename(name+"1", name+"3")
	in, _ := os.Open(name)
	out, _ := os.Create(name + "4")
	io.Copy(out, in)
	out.Sync()
	out.Truncate(1)
	out.Close()
	in.Close()
	os.ReadDir(dir)
	filepath.Walk("/etc/ssl", func(string, os.FileInfo, error) error { return nil })
}

func sockets() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() {
		a, _ := listener.Accept()
		b, _ := net.Dial("tcp", os.Getenv("SELF"))
		go io.Copy(b, a)
		io.Copy(a, b)
	}()
	c, err := net.Dial("tcp", listener.Addr().String())
	if err == nil {
		c.SetDeadline(time.Now().Add(time.Second))
		c.Write([]byte("GET /small HTTP/1.0\r\n\r\n"))
		io.ReadAll(c)
	}
	u, _ := net.ListenPacket("udp", "127.0.0.1:0")
	u.WriteTo([]byte("a"), u.LocalAddr())
	u.ReadFrom(make([]byte, 10))
	net.ListenUnix("unix", &net.UnixAddr{Name: "@work", Net: "unix"})
	net.Interfaces()
	net.LookupHost("localhost")
	net.LookupTXT("localhost")
}

func work(w http.ResponseWriter, r *http.Request) {
	files()
	sockets()
	exec.Command("/bin/sh", "-c", "echo a | cat").Output()
	child := exec.Command("sleep", "9")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	child.Start()
	child.Process.Signal(syscall.SIGTERM)
	child.Wait()
	var profile bytes.Buffer
	pprof.StartCPUProfile(&profile)
	for i := 0; i < 4; i++ {
		go func() { runtime.LockOSThread(); time.Sleep(10 * time.Millisecond) }()
	}
	time.Sleep(30 * time.Millisecond)
	pprof.StopCPUProfile()
	runtime.GC()
	user.Current()
	http.ServeFile(w, r, "/etc/services")
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() { <-stop; os.Exit(0) }()
	http.HandleFunc("/small", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a") })
	http.HandleFunc("/", work)
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}
