// SPDX-License-Identifier: MIT

// scanner prints who advertises, until Ctrl-C or for so long: scanner [-bus ADDRESS] [-bus-name NAME] [-time 5s]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"bled"
)

func main() {
	bus := flag.String("bus", "system", "system, session or a bus address")
	name := flag.String("bus-name", "org.bled", "the daemon's name")
	limit := flag.Duration("time", time.Hour, "how long")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()

	a, err := bled.Open(ctx, bled.WithBus(*bus), bled.WithBusName(*name))
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	reports, err := a.ScanReports(ctx, bled.ScanOptions{})
	if err != nil {
		log.Fatal(err)
	}
	seen := map[string]bool{}
	for r := range reports {
		if !seen[r.Addr] {
			seen[r.Addr] = true
			fmt.Printf("%s %4d dBm % x\n", r.Addr, r.RSSI, r.AdvData)
		}
	}
}
