"""The one door for every act: validate, authorize, begin, execute, record, end."""
