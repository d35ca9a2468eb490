package http

import "github.com/gofiber/fiber/v2"

// routes is the table of everything that is served.
func (s *Server) routes() {
	s.app.Use(s.serve)

	s.handle(fiber.MethodPost, "/api/v1/chatkit", user, s.chatkit)
	s.handle(fiber.MethodGet, "/api/v1/chatkit/threads/:id/stream", user, s.resumeTurn)
	s.handle(fiber.MethodPost, "/api/v1/chatkit/threads/:id/cancel", user, s.cancelTurn)

	s.handle(fiber.MethodGet, "/api/v1/tasks", user, s.listTasks)
	s.handle(fiber.MethodPost, "/api/v1/tasks", user, s.addTask)
	s.handle(fiber.MethodGet, "/api/v1/tasks/:id", user, s.getTask)
	s.handle(fiber.MethodPatch, "/api/v1/tasks/:id", user, s.updateTask)
	s.handle(fiber.MethodDelete, "/api/v1/tasks/:id", user, s.deleteTask)

	s.adminRoutes()

	s.get("/health", s.getHealth)
	s.get("/health/live", s.getLive)
	s.get("/health/ready", s.getReady)
	if s.opts.Gatherer != nil {
		s.get("/metrics", s.metricsHandler())
	}
	if s.opts.Development {
		s.handle(fiber.MethodPost, "/auth/dev-token", open, s.devToken)
	}

	for path := range s.page.files {
		s.get("/"+path, s.getFile)
	}
	if s.page.index != nil {
		s.get("/", s.getIndex)
		s.get("/t/:id", s.getIndex)
	}
	if s.page.admin != nil {
		s.get("/admin", s.getAdmin)
	}
}

// get adds a route without a token that also answers HEAD.
func (s *Server) get(pattern string, h handler) {
	s.handle(fiber.MethodGet, pattern, open, h)
	s.handle(fiber.MethodHead, pattern, open, h)
}

// probes are the routes that machines ask all day; the log has them at Debug.
var probes = map[string]bool{"/health": true, "/health/live": true, "/health/ready": true, "/metrics": true}
