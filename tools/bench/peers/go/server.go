// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
)

func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err = c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo(port int) {
	l, err := net.Listen("tcp", address(port))
	for err == nil {
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			go serve(c)
		}
	}
	log.Fatal(err)
}

func files(port int, dir string) {
	log.Fatal(http.ListenAndServe(address(port), http.FileServer(http.Dir(dir))))
}
